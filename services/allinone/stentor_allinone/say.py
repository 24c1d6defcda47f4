"""`stentor say`: a text to a server, its sound into a file, or to the loudspeaker, as it is made."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from stentor_allinone.client import Refused, connected, told
from stentor_common.adapters import Adapter, MissingExtra, resolve

LIBRARY = {"loudspeaker": Adapter("sounddevice", extra="mic", library="sounddevice")}
INSTEAD = "or write a file: stentor say TEXT -o speech.mp3"

RATE = 24_000
PATH = "/v1/speech/stream"
FORMATS = ("mp3", "wav", "flac", "opus", "aac", "ogg", "pcm")
"""By the ending of a file's name."""


@dataclass(frozen=True, slots=True)
class Asked:
    text: str
    output: Path | None
    """Without one it is played."""
    options: Mapping[str, Any]
    """Fields of the request, as the API names them."""


async def say(asked: Asked, server: str, token: str) -> None:
    """Raises Refused."""
    fields = {"text": asked.text, **asked.options}
    try:
        if asked.output:
            fields["format"] = _format_of(asked.output)
            await _write(asked.output, fields, server, token)
        else:
            sounddevice = library()
            await _play(sounddevice, {**fields, "format": "pcm", "sample_rate": RATE}, server, token)
    except httpx2.TransportError as error:
        raise Refused(f"no Stentor answers at {server or 'its own port'} ({type(error).__name__})") from error


def library() -> Any:
    """PortAudio's module for Python. Raises Refused."""
    try:
        return resolve(LIBRARY, "loudspeaker")
    except (MissingExtra, OSError) as error:
        # OSError: the library is there, but not what it is written for (PortAudio).
        raise Refused(f"{error}; {INSTEAD}") from error


def _format_of(path: Path) -> str:
    ending = path.suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise Refused(f"{path.name} does not end like a file of sound: use one of .{', .'.join(FORMATS)}")
    return ending


async def _write(path: Path, fields: Mapping[str, Any], server: str, token: str) -> None:
    """A file that is broken off is not left as if it were whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            async with _sound(fields, server, token) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(file.write, chunk)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _play(sounddevice: Any, fields: Mapping[str, Any], server: str, token: str) -> None:
    try:
        with sounddevice.RawOutputStream(samplerate=RATE, channels=1, dtype="int16") as stream:
            async with _sound(fields, server, token) as chunks:
                rest = b""
                async for chunk in chunks:
                    sound = rest + chunk
                    whole = len(sound) // 2 * 2
                    rest = sound[whole:]
                    # Returns when there is room for more: what is not played yet is not asked for.
                    await asyncio.to_thread(stream.write, sound[:whole])
    except sounddevice.PortAudioError as error:
        raise Refused(f"the loudspeaker cannot be opened: {error}; {INSTEAD}") from error


@asynccontextmanager
async def _sound(fields: Mapping[str, Any], server: str, token: str) -> AsyncIterator[AsyncIterator[bytes]]:
    """The sound as it comes, within the block."""
    async with (
        connected(server, token) as client,
        client.stream("POST", PATH, json=dict(fields)) as answer,
    ):
        if not answer.is_success:
            await answer.aread()
            told(answer)
        yield answer.aiter_bytes()
