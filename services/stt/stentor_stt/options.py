"""What a caller may want of a recording, whichever contract it comes by."""

from dataclasses import dataclass
from enum import StrEnum

HOTWORD_BOOST = 7.5
"""Boost of a hot-word that came without one."""


class Task(StrEnum):
    TRANSCRIBE = "transcribe"
    """Text in the language that was spoken."""

    TRANSLATE = "translate"
    """Text in English, whatever was spoken."""


@dataclass(frozen=True, slots=True)
class Hotword:
    """A word or a few to listen for, or, with a negative boost, to avoid. Case does not matter.

    `boost` is added to the log probability of a hypothesis for each time it holds the text.
    """

    text: str
    boost: float = HOTWORD_BOOST


@dataclass(frozen=True, slots=True)
class Spelling:
    """Whole words `heard`, in any case, are written as `written` in the transcript."""

    heard: str
    written: str


@dataclass(frozen=True, slots=True)
class KnownSpeaker:
    """Somebody whose voice is in an upload of 2 to 30 seconds; recognised voices bear the name."""

    name: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class Diarization:
    """That speakers are to be told apart, and what is known about them."""

    speakers: int | None = None
    """Exactly so many; None has it found out."""
    at_least: int = 1
    at_most: int = 10
    known: tuple[KnownSpeaker, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller wants of one recording."""

    language: str | None = None
    """Code such as "en"; None has it detected."""

    task: Task = Task.TRANSCRIBE
    word_times: bool = True
    prompt: str | None = None
    """Text in the style and spelling hoped for."""

    hotwords: tuple[Hotword, ...] = ()
    spelling: tuple[Spelling, ...] = ()
    temperature: float | None = None
    """0 to 1; None starts at 0 and rises when a result looks wrong."""

    voice_activity: bool = True
    """Give the model speech only. Without it silence may come out as invented words."""

    clip_start_ms: int = 0
    clip_end_ms: int | None = None
    """Only this part of the recording; times in the transcript still count from the recording's start."""

    split_channels: bool = False
    """Each channel by itself, as recordings of telephone calls have one speaker on each."""

    diarization: Diarization | None = None
