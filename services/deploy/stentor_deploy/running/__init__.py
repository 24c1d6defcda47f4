"""The port to where models run: processes of this machine, or pods of a cluster."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from stentor_common.errors import AppError


class PayloadKind(StrEnum):
    json = "json"
    text = "text"
    """UTF-8."""
    bytes = "bytes"


@dataclass(frozen=True, slots=True)
class Payload:
    """What goes into a model and comes out of it."""

    body: bytes
    kind: PayloadKind = PayloadKind.json
    media_type: str | None = None
    """Of bytes, where the model says it."""
    warnings: tuple[str, ...] = ()
    """Of an answer: `non-finite` when numbers that JSON does not know were told as null."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one replica."""

    memory_bytes: int
    threads: int
    processes: int = 256
    scratch_bytes: int = 1024**3
    """Largest file it may write."""
    answer_bytes: int = 64 * 1024**2


@dataclass(frozen=True, slots=True)
class RunSpec:
    """All that is needed to run a revision."""

    revision: str
    """Its id; part of names of sockets, folders and pods."""
    folder: Path
    """The package's files, in the layout of Truss. Read-only to the model."""
    config: Mapping[str, Any]
    python: Path
    environment: str
    """Key of the environment: replicas of one environment may share a standby."""
    environment_folder: Path
    limits: Limits
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    gpu: str | None = None
    gpus: int = 0
    concurrency: int = 1
    load_seconds: float = 300


@dataclass(frozen=True, slots=True)
class Isolation:
    """What keeps a model from others."""

    applied: tuple[str, ...]
    missing: Mapping[str, str]
    """Layer to the reason it could not be applied."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a replica says of its model once it is loaded."""

    seconds: float
    memory_bytes: int
    methods: tuple[str, ...]
    """Besides `predict`."""
    streams: bool
    """`predict` is a generator."""
    isolation: Isolation
    modules: tuple[str, ...] = ()
    """Names of all modules imported so far, for compiling."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Version of each distribution that is imported."""
    warnings: tuple[str, ...] = ()


Outcome = Payload | AppError
"""An answer, or why there is none: ModelFailed, ModelTooSlow, ModelLost, AnswerTooLarge."""


class Replica(Protocol):
    """One running copy of a model. Calls may overlap; `concurrency` of them run `predict` at a time."""

    id: str
    loaded: Loaded
    in_flight: int

    async def predict(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> Payload:
        """Raises ModelFailed, ModelTooSlow (a call past its time is ended with its process where it cannot
        be ended otherwise), ModelLost, AnswerTooLarge."""

    async def predict_batch(
        self, asked: Sequence[Payload], *, seconds: float, request_ids: Sequence[str] = ()
    ) -> list[Outcome]:
        """Lists joined into one call of `predict`, and its answer taken apart again. Each JSON payload is a
        list; where the joined call fails each is asked by itself."""

    def stream(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> AsyncGenerator[Payload, None]:
        """What a generator gives, part by part; a single part where it is none. `seconds` is for each part.
        Closed early, the generator is closed too."""

    async def healthy(self) -> bool:
        """Whether it answers, and the model's own `is_healthy`, if it has one, agrees."""


class Fleet(Protocol):
    """The replicas of one revision. It starts again those that end, with growing pauses."""

    spec: RunSpec

    @property
    def ready(self) -> Sequence[Replica]:
        """Those that can be called now."""

    @property
    def wanted(self) -> int: ...

    @property
    def trouble(self) -> AppError | None:
        """Why the last attempt to start one failed, until one starts: LoadFailed, ModelLost, Unavailable."""

    @property
    def restarts(self) -> int:
        """How often replicas ended by themselves."""

    async def scale(self, replicas: int) -> None:
        """Have so many; returns at once. Those too many end once their calls have."""

    async def changed(self) -> None:
        """Returns when `ready` or `trouble` has changed."""

    async def close(self) -> None:
        """End all replicas now."""


LogLine = Callable[[str, str, str], None]
"""Takes what a model prints: the stream (`stdout`, `stderr`, `system`), a line, the id of the request that
was served alone, or nothing."""


class Driver(Protocol):
    """Where replicas run."""

    name: str

    async def fleet(self, spec: RunSpec, tell: LogLine) -> Fleet:
        """A fleet of no replicas yet."""

    async def close(self) -> None:
        """End everything that runs here."""
