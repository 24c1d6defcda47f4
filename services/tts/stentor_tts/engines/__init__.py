"""The port of text to speech: what an engine is given, what it answers, and which there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from stentor_common.adapters import Adapter, resolve
from stentor_common.errors import BadInput, Unavailable

if TYPE_CHECKING:
    # Only for types: an API process chooses an engine by name without having numpy.
    import numpy as np
    from numpy.typing import NDArray

ENGINES = {
    "hibari": Adapter("stentor_tts.engines.hibari:HibariEngine", extra="speech", library="hibari"),
    "piper": Adapter("stentor_tts.engines.piper:PiperEngine", extra="speech", library="onnxruntime"),
    "kokoro": Adapter("stentor_tts.engines.kokoro:KokoroEngine", extra="speech", library="onnxruntime"),
    "coqui": Adapter("stentor_tts.engines.coqui:CoquiEngine"),
    "scripted": Adapter("stentor_tts.engines.scripted:ScriptedEngine"),
}
"""Each is called with EngineSettings. `scripted` is for tests and never a default."""

IN_PROCESS = frozenset({"scripted"})
"""Engines without weights. All others run in a process of their own, see `stentor_tts.engines.hosted`."""


SHOWN = 80
"""Characters of a text that an error repeats."""


class CannotSay(BadInput):
    """There is nothing in a text that the voice has sounds for."""

    code = "cannot_say"

    def __init__(self, text: str, voice: str) -> None:
        shown = text if len(text) <= SHOWN else text[:SHOWN] + "…"
        super().__init__(
            f"voice {voice!r} has no sounds for {shown!r}; write it in words of its language, or choose a "
            "voice that speaks the text's",
            param="text",
        )


class NoSuchSpeaker(Unavailable):
    """A model is asked for a voice that it does not have: the list of voices is set up wrongly."""

    code = "no_such_speaker"
    retryable = False

    def __init__(self, name: str, model: str, known: Sequence[str]) -> None:
        some = ", ".join(known[:20]) + (" and more" if len(known) > 20 else "")
        super().__init__(f"model {model} has no voice {name!r}; it has {some}")


class ModelUnreadable(Unavailable):
    """The files of a model are here and cannot be used."""

    code = "model_unreadable"
    retryable = False

    def __init__(self, file: str, why: str) -> None:
        super().__init__(f"{file} of a voice cannot be used: {why}; put the model there again")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One sentence, as words to be spoken: numbers, dates and abbreviations are written out already."""

    text: str
    voice: str
    """The engine's own name for it, an `EngineVoice.id`."""

    language: str = "en"
    """Two letters, or with a region: `en-us`."""

    rate: float = 1.0
    """How fast, 1 is as the voice was made; 0.25 to 4."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """When a word of `Utterance.text` sounds; times count from the start of the samples."""

    text: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Spoken:
    """What an utterance sounds like."""

    samples: NDArray[np.float32]
    """One channel, -1 to 1; never empty."""

    sample_rate: int
    """Of the samples, in Hz."""

    words: tuple[SpokenWord, ...] = ()
    """In order, by what the model itself planned; empty when this engine cannot tell, and then
    `stentor_tts.alignment` can."""


@dataclass(frozen=True, slots=True)
class EngineVoice:
    """A voice that a loaded model has."""

    id: str
    languages: tuple[str, ...]
    """First the one it was made for."""

    sample_rate: int


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine is set up; fixed for its life."""

    model: str
    """A name, or the folder with the model's files."""

    data_dir: Path
    """Models by name are looked for in `models/` below it, recordings of voices to imitate in `voices/`."""

    device: str = "auto"
    """auto, cpu or cuda; auto takes CUDA where there is a device."""

    threads: int = 0
    """CPU threads of the model; 0 is one per core this process may use."""

    offline: bool = False
    """Never ask a model hub, not even for a model that is nowhere else."""

    python: Path | None = None
    """The interpreter of an engine that has an environment of its own; None is this one."""

    accepted_licences: frozenset[str] = frozenset()
    """Licences of models with conditions of their own (`cpml`), to which whoever runs this has agreed."""


class Engine(Protocol):
    """A model that says sentences. All methods block; any thread may call them, one at a time."""

    name: str
    model: str

    def load(self) -> None:
        """Bring the weights to the device; does nothing when they are there. Raises ModelNotFound,
        ModelUnreadable."""

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        """How each utterance sounds, in order. Needs `load` first.

        An answer does not depend on the others beside it, and is the same whenever the same is asked. Raises
        CannotSay for a text without anything that the voice can say, and NoSuchSpeaker for a voice that the
        model does not have; never answers with no sound.
        """

    def voices(self) -> tuple[EngineVoice, ...]:
        """The voices of this model. Needs `load` first."""

    def unload(self) -> None:
        """Give the memory back; nobody may be using it. `load` brings the model again."""


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine called `name`, not loaded. Raises UnknownAdapter, MissingExtra."""
    engine: Engine = resolve(ENGINES, name)(settings)
    return engine
