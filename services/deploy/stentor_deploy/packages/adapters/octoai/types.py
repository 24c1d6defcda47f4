"""Media, as services take and return them. The wire format is that of octoai-sdk 0.10."""

import base64
import io
import urllib.request
from pathlib import Path
from typing import Any, Dict, List, Tuple, Type, TypeVar, Union

from pydantic import BaseModel

SECONDS = 30
Some = TypeVar("Some", bound="Media")


class Text(BaseModel):
    text: str


class MediaUrl(BaseModel):
    url: str


class Media(BaseModel):
    """A file: its content in base64, or where it is."""

    data: Union[bytes, MediaUrl]

    @classmethod
    def from_base64(cls: Type[Some], b64: bytes) -> Some:
        return cls(data=b64)

    @classmethod
    def from_bytes(cls: Type[Some], content: bytes) -> Some:
        return cls(data=base64.b64encode(content))

    @classmethod
    def from_file(cls: Type[Some], file_name: str) -> Some:
        return cls.from_bytes(Path(file_name).read_bytes())

    @classmethod
    def from_url(cls: Type[Some], url: str, b64: bool = False, **_: Any) -> Some:
        made = cls(data=MediaUrl(url=url))
        return cls.from_bytes(made.to_bytes()) if b64 else made

    @classmethod
    def from_endpoint_response(cls: Type[Some], resp_dict: Dict[str, Any], key: str) -> Some:
        return cls(**(resp_dict.get("output") or resp_dict)[key])

    def to_bytes(self) -> bytes:
        """Raises ValueError if it lies behind an address that cannot be reached."""
        if isinstance(self.data, bytes):
            return base64.b64decode(self.data)
        if not self.data.url.startswith(("http://", "https://")):
            raise ValueError("a URL must begin with http:// or https://")
        try:
            with urllib.request.urlopen(self.data.url, timeout=SECONDS) as answer:  # noqa: S310 - see above
                content: bytes = answer.read()
        except OSError as error:
            raise ValueError("the URL cannot be reached: send the content itself") from error
        return content

    def to_base64(self) -> bytes:
        return base64.b64encode(self.to_bytes())

    def to_file(self, file_name: str) -> None:
        Path(file_name).write_bytes(self.to_bytes())


class Image(Media):
    @classmethod
    def from_pil(cls: Type[Some], image_pil: Any, format: str = "JPEG") -> Some:
        content = io.BytesIO()
        image_pil.save(content, format=format)
        return cls.from_bytes(content.getvalue())

    def to_pil(self) -> Any:
        from PIL import Image as pillow

        return pillow.open(io.BytesIO(self.to_bytes()))


class Audio(Media):
    @classmethod
    def from_numpy(cls: Type[Some], data: Any, sample_rate: int, format: str = "WAV") -> Some:
        """Frames by channels."""
        import soundfile

        content = io.BytesIO()
        soundfile.write(content, data, sample_rate, format=format)
        return cls.from_bytes(content.getvalue())

    def to_numpy(self) -> Tuple[Any, int]:
        """Frames by channels, and samples per second."""
        import soundfile

        samples, rate = soundfile.read(io.BytesIO(self.to_bytes()))
        return samples, rate


class Video(Media):
    @classmethod
    def from_numpy(cls: Type[Some], video_frames: List[Any], fps: int = 30) -> Some:
        import imageio.v3 as imageio

        return cls.from_bytes(imageio.imwrite("<bytes>", video_frames, extension=".mp4", fps=fps))

    def to_numpy(self) -> Tuple[List[Any], float]:
        """Frames, and how many of them a second."""
        import imageio.v3 as imageio

        content = self.to_bytes()
        rate = imageio.immeta(content, plugin="pyav").get("fps", 0.0)
        return list(imageio.imread(content, plugin="pyav")), rate


class File(BaseModel):
    """An uploaded file of a form."""

    name: str = ""
    data: bytes
