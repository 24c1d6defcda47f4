"""Samples that come without a container, as telephones and sound cards give them: put into a WAV file."""

import struct
from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass

UNKNOWN = 0xFFFFFFFF
"""The length of a file that is written while it is made."""

ENCODINGS = {"linear16": (1, 16), "linear32": (1, 32), "alaw": (6, 8), "mulaw": (7, 8)}
"""By the names that Deepgram gave them: the WAV format's tag, and bits of a sample."""


@dataclass(frozen=True, slots=True)
class RawSound:
    encoding: str
    """One of ENCODINGS."""
    sample_rate: int
    channels: int = 1

    def header(self, size_bytes: int | None = None) -> bytes:
        """What stands before the samples in a WAV file."""
        tag, bits = ENCODINGS[self.encoding]
        frame = self.channels * bits // 8
        size = size_bytes if size_bytes is not None and size_bytes < UNKNOWN - 36 else None
        riff = struct.pack("<4sI4s", b"RIFF", UNKNOWN if size is None else size + 36, b"WAVE")
        rate = self.sample_rate
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, self.channels, rate, rate * frame, frame, bits)
        return riff + form + struct.pack("<4sI", b"data", UNKNOWN if size is None else size)


async def as_wav(
    chunks: AsyncIterable[bytes], sound: RawSound, size_bytes: int | None = None
) -> AsyncIterator[bytes]:
    """A WAV file around the samples; what is one already stays as it is. Nothing stays nothing."""
    first = True
    async for chunk in chunks:
        if first and chunk:
            first = False
            if not chunk.startswith(b"RIFF"):
                yield sound.header(size_bytes)
        yield chunk
