"""The port of summaries: what an engine is given, what it answers, and which there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from stentor_common.adapters import Adapter, resolve

ENGINES = {
    "extractive": Adapter(
        "stentor_summarize.engines.extractive:ExtractiveEngine", extra="summarize", library="torch"
    ),
    "transformers": Adapter(
        "stentor_summarize.engines.transformers:TransformersEngine", extra="summarize", library="torch"
    ),
    "ctranslate2": Adapter(
        "stentor_summarize.engines.ctranslate2:CTranslate2Engine", extra="summarize", library="ctranslate2"
    ),
    "llamacpp": Adapter(
        "stentor_summarize.engines.llamacpp:LlamaCppEngine", extra="llamacpp", library="llama_cpp"
    ),
    "scripted": Adapter("stentor_summarize.engines.scripted:ScriptedEngine"),
}
"""Each is called with EngineSettings. `scripted` is for tests and never a default."""

IN_PROCESS = frozenset({"scripted"})
"""Engines without weights. All others run in a process of their own, see `engines.hosted`."""


class Kind(StrEnum):
    """How a summary is made."""

    extractive = "extractive"
    """Of the text's own sentences, word for word."""

    abstractive = "abstractive"
    """In words of the model's own, which may be wrong."""


class Unit(StrEnum):
    sentences = "sentences"
    words = "words"
    ratio = "ratio"
    """Of the source's words: 0.2 is a fifth."""


class Style(StrEnum):
    paragraph = "paragraph"
    bullets = "bullets"
    headline = "headline"
    minutes = "minutes"
    """What was decided, and who does what until when."""


KINDS = {
    "extractive": Kind.extractive,
    "transformers": Kind.abstractive,
    "ctranslate2": Kind.abstractive,
    "llamacpp": Kind.abstractive,
}
"""What an engine of this name makes, known before it is loaded; the scripted one says it itself."""


@dataclass(frozen=True, slots=True)
class Length:
    """About how long a summary is to be, see `stentor_summarize.lengths` for how near it comes."""

    unit: Unit
    amount: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a summary is to be like."""

    length: Length
    style: Style = Style.paragraph
    language: str | None = None
    """ISO 639-1 code of the text; None to tell from the text."""

    instructions: str = ""
    """The caller's own wishes, for engines that understand any."""

    attempt: int = 0
    """0 at first; 1 when the first answer named what the text does not. Models that sample then draw anew,
    and those that take instructions are told more strictly."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The summary of what was read, complete."""

    text: str
    sentences: tuple[int, ...] = ()
    """Which sentences of the text it consists of, counted from 0; extractive engines only."""

    action_items: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()
    generated_tokens: int = 0
    warnings: tuple[str, ...] = ()
    """What could not be done as wanted, in full sentences."""


@dataclass(frozen=True, slots=True)
class Working:
    """Nothing to show yet: the model is at work. A chance to stop it."""

    passages: int = 0
    """How many passages it has read so far, where it reads them all for one digest."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How an engine is set up; fixed for its life."""

    model: str
    """A name, an alias or a folder, see `stentor_summarize.models`."""

    data_dir: Path
    """The operator's own models are looked for in `models/` below it."""

    device: str = "auto"
    """auto, cpu or cuda; auto takes CUDA where there is a device."""

    dtype: str = "auto"
    """auto is float32 on a CPU and what the weights are kept in on CUDA; else float32, bfloat16, float16."""

    threads: int = 0
    """CPU threads of the model; 0 is one per core this process may use."""

    context_tokens: int = 0
    """Most tokens of text and answer together, where the model allows more than memory does; 0 is the
    model's own limit."""

    offline: bool = False
    """Never ask the model hub, not even for a model that is nowhere else."""


class Engine(Protocol):
    """A model that makes texts shorter. All methods block; any thread may call them, one at a time."""

    name: str
    model: str
    kind: Kind

    def load(self) -> None:
        """Bring the weights to the device; does nothing when they are there. Raises ModelNotFound."""

    def token_limit(self, wanted: Wanted) -> int:
        """How many tokens a passage may have, so that it fits with everything put around it and the answer.
        Needs `load` first. Raises InstructionsTooLong."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Of each text, exactly, without what the model puts around it. Needs `load` first."""

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        """The passages made shorter. Needs `load` first.

        An extractive engine reads them as one text and answers one Digest. Any other answers one Digest for
        each passage, in order, each by itself; of a single passage that is the `last` step it may answer
        pieces of text before, which together are the Digest's text as far as it was not tidied up. The
        iterator may be closed at any time, and then the model stops after the token it is at.
        """

    def unload(self) -> None:
        """Give the memory back; nobody may be using it. `load` brings the model again."""


def make_engine(name: str, settings: EngineSettings) -> Engine:
    """The engine of this name, not loaded. Raises UnknownAdapter or MissingExtra."""
    engine: Engine = resolve(ENGINES, name)(settings)
    return engine
