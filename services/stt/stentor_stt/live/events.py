"""What a live session has to say. Times are milliseconds from the first sound of the session.

A turn is what is said between two pauses, or between two commits. Its events come in this order:

    SpeechStarted     where pauses end turns
    Settled …         text that will not change any more; between them
    Tentative …       what may follow, until the next of either
    SpeechStopped     where a pause ended it
    Committed         no more sound belongs to it
    Settled           the rest, if there is one
    Final | Failed

The texts of a turn's Settled events, put one behind the other, are the text of its Final.
"""

from dataclasses import dataclass

from stentor_common.errors import AppError
from stentor_stt.transcript import Word


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    turn: int
    """Counted from 0."""
    start_ms: int
    """Where the turn's sound begins: a little before the first word."""


@dataclass(frozen=True, slots=True)
class Settled:
    turn: int
    text: str
    """To be put behind what was settled before, blanks included."""
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True)
class Tentative:
    turn: int
    text: str
    """To be shown behind what is settled; empty when there is nothing to show any more."""


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    turn: int
    end_ms: int
    """Where the last word ends."""


@dataclass(frozen=True, slots=True)
class Committed:
    turn: int
    end_ms: int
    """Where the turn's sound ends."""


@dataclass(frozen=True, slots=True)
class Final:
    turn: int
    text: str
    words: tuple[Word, ...]
    start_ms: int
    end_ms: int
    """Span of the turn's sound."""
    language: str | None
    language_confidence: float | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The model could not hear the turn; the next one is heard as if nothing had been."""

    turn: int
    error: AppError


Event = SpeechStarted | Settled | Tentative | SpeechStopped | Committed | Final | Failed
