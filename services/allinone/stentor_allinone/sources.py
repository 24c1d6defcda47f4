"""Where the sound of a live session comes from: a file, a microphone, a pipe. As signed 16-bit samples."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from stentor_allinone import microphone
from stentor_allinone.client import Refused
from stentor_common.adapters import Adapter, MissingExtra, resolve

RATE = 16_000
PIECE_SECONDS = 0.1
PIECE_BYTES = int(RATE * PIECE_SECONDS) * 2

# Imported when it is chosen: the command line starts without it.
FILES = {"file": Adapter("stentor_allinone.file_sound:samples", extra="whisper", library="av")}

Source = Callable[[], AsyncIterator[bytes]]


def recording(path: Path, *, fast: bool) -> Source:
    """A file of any format, as slowly as it was spoken, unless `fast`. Raises Refused."""
    try:
        samples = resolve(FILES, "file")
    except MissingExtra as error:
        raise Refused(str(error)) from error

    async def pieces() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        started, sent = loop.time(), 0
        found: Iterator[bytes] = samples(path, RATE, PIECE_BYTES)
        while (piece := await asyncio.to_thread(next, found, None)) is not None:
            sent += len(piece)
            if not fast:
                # When it has been spoken.
                await asyncio.sleep(started + sent / 2 / RATE - loop.time())
            yield piece

    return pieces


def spoken() -> Source:
    """What the microphone of this machine hears. Raises Refused where there is no library for that."""
    sounddevice = microphone.library()
    return lambda: microphone.pieces(sounddevice, RATE, PIECE_BYTES)


async def piped() -> AsyncIterator[bytes]:
    """What comes through a pipe."""
    while piece := await asyncio.to_thread(sys.stdin.buffer.read, PIECE_BYTES):
        yield piece[: len(piece) // 2 * 2]
