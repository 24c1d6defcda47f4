"""A capability as a host sees it: routes, job handlers, upkeep. All a process needs to know of it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from pydantic_settings import BaseSettings

from stentor_common.catalog import Offer
from stentor_common.desk import DeskAnswer
from stentor_common.engine_room import EngineRoom
from stentor_common.front import Front
from stentor_common.jobs.deferred import Whole
from stentor_common.jobs.run import JobRun
from stentor_common.problems import ErrorStyle
from stentor_common.queue import Answer
from stentor_common.runtime import Runtime
from stentor_common.sweep import Sweep
from stentor_common.webhooks import CallbackStyle

Handler = Callable[[Runtime, JobRun], Awaitable[dict[str, Any]]]
"""Does a job and returns its result. Raises AppError for what is final, JobStopped when told to stop,
anything else for what may be tried again. May run twice for the same job."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """Answers questions that come over the queue."""

    answer: Answer
    at_once: int
    """How many side by side, in one process."""


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    settings: BaseSettings | None = None
    """Its own settings, for routes that ask for them."""
    routers: Sequence[APIRouter] = ()
    file_routers: Sequence[APIRouter] = ()
    """Routers whose requests may carry a file, up to the largest upload."""
    raw_routers: Sequence[APIRouter] = ()
    """Routers whose requests may be a file themselves, whatever type they name; read as a stream only."""
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    """By job kind."""
    queues: Mapping[str, int] = field(default_factory=dict)
    """Queues its workers consume, with how many jobs of each run at a time."""
    fronts: Sequence[Front] = ()
    """Answer some of its requests before the framework is asked."""
    error_styles: Mapping[str, ErrorStyle] = field(default_factory=dict)
    """How errors look below a path prefix, where an outside contract fixes that."""
    callbacks: Mapping[str, CallbackStyle] = field(default_factory=dict)
    """How the end of its jobs is told to somebody's server, by the style that was asked for."""
    answers: Mapping[str, Whole] = field(default_factory=dict)
    """By job kind: what `stentor_common.jobs.deferred` answers about it later. Without one, its result."""
    sweeps: Sequence[Sweep] = ()
    offers: Callable[[], Sequence[Offer]] = tuple
    """The models and providers it knows, and whether they can be used here. Must be quick."""
    model_name: Callable[[str], str] | None = None
    """Its own name for a model that callers may call otherwise. Raises NotFound."""
    engines: EngineRoom[Any] | None = None
    """Its models by that name, as they are in the memory of a worker."""
    answerers: Mapping[str, Answerer] = field(default_factory=dict)
    """By the queue that its workers answer questions on."""
    desk: Mapping[str, DeskAnswer] = field(default_factory=dict)
    """Questions of other services that its processes answer, see `stentor_common.desk`."""
    resources: Sequence[object] = ()
    """What its routes ask for by type, beside settings: `stentor_common.requests.resource_of`."""
    start: Callable[[Runtime], Awaitable[None]] | None = None
    """Runs before a worker takes its first job: load what is asked to be loaded."""
    close: Callable[[], Awaitable[None]] | None = None
    beside: Callable[[Runtime], AbstractAsyncContextManager[None]] | None = None
    """Entered by every process of the service, before it answers or works, and left after that."""
