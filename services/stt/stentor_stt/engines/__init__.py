"""The port of speech to text: what an engine is given, what it answers, and which there are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stentor_common.adapters import Adapter
from stentor_stt.transcript import Segment

if TYPE_CHECKING:
    # Only for types: an API process chooses an engine by name without having numpy.
    from stentor_stt.audio import Sound

ENGINES = {
    "faster-whisper": Adapter(
        "stentor_stt.engines.whisper:WhisperEngine", extra="whisper", library="faster_whisper"
    ),
    "scripted": Adapter("stentor_stt.engines.scripted:ScriptedEngine"),
}
"""Each is called with EngineSettings. `scripted` is for tests and never a default."""


class Task(StrEnum):
    TRANSCRIBE = "transcribe"
    """Text in the language that was spoken."""

    TRANSLATE = "translate"
    """Text in English, whatever was spoken."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller wants of one recording."""

    language: str | None = None
    """Code such as "en"; None has it detected."""

    task: Task = Task.TRANSCRIBE
    word_times: bool = True
    prompt: str | None = None
    """Text in the style and spelling hoped for."""

    hotwords: tuple[str, ...] = ()
    """Names and terms to listen for."""

    temperature: float | None = None
    """0 to 1; None starts at 0 and rises when a result looks wrong."""

    voice_activity: bool = True
    """Give the model speech only. Without it silence may come out as invented words."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one stretch of sound says. The work is done while `segments` is iterated.

    Language and confidence (0 to 1) are None when nobody speaks. Times of the segments count from
    the start of the sound.
    """

    language: str | None
    language_confidence: float | None
    segments: Iterator[Segment]


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine is set up; fixed for its life."""

    model: str
    """A name, an alias or a folder, see `stentor_stt.models`."""

    data_dir: Path
    """Models put together from packages are kept in `models/` below it."""

    device: str = "auto"
    """auto, cpu or cuda; auto takes CUDA where there is a device."""

    compute_type: str = "auto"
    """auto is int8 on a CPU and float16 on CUDA; else any type the engine knows."""

    threads: int = 0
    """CPU threads of the model; 0 is one per core this process may use."""

    beam_size: int = 5
    offline: bool = False
    """Never ask the model hub, not even for a model that is nowhere else."""


class Engine(Protocol):
    """A model that turns sound into segments. All methods block; any thread may call them."""

    name: str
    model: str

    def load(self) -> None:
        """Bring the weights to the device; does nothing when they are there. Raises ModelNotFound."""

    def transcribe(self, sound: Sound, options: Options) -> Heard:
        """What is said in a few minutes of sound. Needs `load` first.

        Raises UnknownLanguage and TaskNotOffered at once, before any work is done.
        """

    def speech(self, sound: Sound) -> list[tuple[int, int]]:
        """Where somebody speaks: (first, one past last) sample, in order. Does not need `load`."""

    def languages(self) -> frozenset[str]:
        """Codes this model understands. Needs `load` first."""

    def unload(self) -> None:
        """Give the memory back; nobody may be transcribing. `load` brings the model again."""
