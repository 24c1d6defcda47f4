"""The microphone of this machine, by PortAudio."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from stentor_allinone.client import Refused
from stentor_common.adapters import Adapter, MissingExtra, resolve

LIBRARY = {"microphone": Adapter("sounddevice", extra="mic", library="sounddevice")}
INSTEAD = "or send sound through a pipe: arecord -q -t raw -f S16_LE -r 16000 -c 1 | stentor listen --stdin"

WAITING_PIECES = 600
"""A minute may wait for a slow network; what comes then is too much and ends the session."""


def library() -> Any:
    """PortAudio's module for Python. Raises Refused."""
    try:
        return resolve(LIBRARY, "microphone")
    except (MissingExtra, OSError) as error:
        # OSError: the library is there, but not what it is written for (PortAudio).
        raise Refused(f"{error}; {INSTEAD}") from error


async def pieces(sounddevice: Any, rate: int, piece_bytes: int) -> AsyncIterator[bytes]:
    """Signed 16-bit samples as they are spoken, without end. Raises Refused."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[bytes] = asyncio.Queue()

    def take(piece: Any, _frames: int, _times: Any, _status: Any) -> None:
        # Called in a thread of the library's own; the buffer is its own too.
        loop.call_soon_threadsafe(found.put_nowait, bytes(piece))

    try:
        stream = sounddevice.RawInputStream(
            samplerate=rate, blocksize=piece_bytes // 2, channels=1, dtype="int16", callback=take
        )
        with stream:
            while True:
                yield await found.get()
                if found.qsize() > WAITING_PIECES:
                    raise Refused("the server takes the sound more slowly than it is spoken")
    except sounddevice.PortAudioError as error:
        raise Refused(f"the microphone cannot be opened: {error}") from error
