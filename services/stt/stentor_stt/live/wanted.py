"""What a client may choose about a live session. Standard library only, as routes need it before the first
session is opened."""

from dataclasses import dataclass, field
from enum import StrEnum

from stentor_stt.options import Options

LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000
"""Sample rates taken, in Hz."""

LONGEST_SILENCE_MS, LONGEST_PADDING_MS = 5_000, 2_000
"""Bounds of what a turn may wait for and begin with."""


class Encoding(StrEnum):
    pcm16 = "pcm16"
    """Signed 16-bit samples, little endian."""
    mulaw = "mulaw"
    """G.711, as telephones in America and Japan."""
    alaw = "alaw"
    """G.711, as telephones elsewhere."""

    @property
    def sample_bytes(self) -> int:
        return 2 if self is Encoding.pcm16 else 1


@dataclass(frozen=True, slots=True)
class Format:
    """Of the sound that comes; one channel."""

    encoding: Encoding = Encoding.pcm16
    rate: int = 16_000
    """From LOWEST_RATE to HIGHEST_RATE."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What ends a turn."""

    by_pause: bool = True
    """A pause does; without it only a commit."""
    silence_ms: int = 500
    """How long a pause is."""
    padding_ms: int = 300
    """How long before the first word a turn begins."""
    threshold: float = 0.5
    """0 to 1: how loud sound has to be to be listened to at all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    model: str
    options: Options = field(default_factory=Options)
    turns: Turns = field(default_factory=Turns)
    format: Format = field(default_factory=Format)
