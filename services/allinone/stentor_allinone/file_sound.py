"""A recording's samples, by PyAV. For files of whoever runs the command: nobody is protected from them."""

from collections.abc import Iterator
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.error import FFmpegError

from stentor_allinone.client import Refused


def samples(path: Path, rate: int, piece_bytes: int) -> Iterator[bytes]:
    """One channel of signed 16-bit samples, in pieces of that size, the last one smaller. Raises Refused."""
    held = bytearray()
    try:
        for frame in _frames(path, rate):
            held += bytes(frame.planes[0])[: frame.samples * 2]
            while len(held) >= piece_bytes:
                yield bytes(held[:piece_bytes])
                del held[:piece_bytes]
    except (FFmpegError, IndexError) as error:
        raise Refused(f"{path} holds no sound that can be read ({error})") from error
    if held:
        yield bytes(held)


def _frames(path: Path, rate: int) -> Iterator[AudioFrame]:
    resampler = AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            # Gaps in the time stamps of damaged files would be refused.
            frame.pts = None
            yield from resampler.resample(frame)
        yield from resampler.resample(None)
