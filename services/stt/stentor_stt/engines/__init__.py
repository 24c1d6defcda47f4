"""The port of speech to text: what an engine is given, what it answers, and which there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stentor_common.adapters import Adapter, resolve
from stentor_stt.decoder.wire import Detector
from stentor_stt.options import Options
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

IN_PROCESS = frozenset({"scripted"})
"""Engines without weights. All others run in a process of their own, see `stentor_stt.engines.hosted`."""

DETECTORS = {"scripted": Detector.SOUND}
"""What counts as speech for engines that do not hear speech."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound that is heard at once, 30 seconds at most, and how."""

    sound: Sound
    options: Options
    find_speech: bool = False
    """Look for speech first and hear nothing where nobody speaks. Pieces that were cut by speech
    already need it no more; live sound does."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a piece says. Times count from the start of its sound.

    Language and confidence (0 to 1) are None when nobody speaks.
    """

    language: str | None
    language_confidence: float | None
    segments: tuple[Segment, ...]
    speech: tuple[tuple[int, int], ...] = ()
    """Where somebody speaks, (start, end) in milliseconds; known when the piece asked for it."""


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

    def check(self, options: Options) -> None:
        """Raises UnknownLanguage and TaskNotOffered when this model cannot do it. Needs `load` first."""

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        """What each piece says, in order: one batch, whatever jobs the pieces come from. Needs `load` first.

        A piece's answer does not depend on the others beside it. Raises what `check` raises.
        """

    def languages(self) -> frozenset[str]:
        """Codes this model understands. Needs `load` first."""

    def unload(self) -> None:
        """Give the memory back; nobody may be using it. `load` brings the model again."""


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine of that name in ENGINES, not loaded. Raises what `resolve` raises."""
    engine: Engine = resolve(ENGINES, name)(settings)
    return engine
