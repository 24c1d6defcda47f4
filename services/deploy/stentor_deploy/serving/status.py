"""What is told of a revision that is served."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from stentor_common.errors import AppError
from stentor_deploy.running import Isolation


class ServingState(StrEnum):
    idle = "idle"
    """Asleep: the first call wakes it."""
    waking = "waking"
    ready = "ready"
    unhealthy = "unhealthy"
    """It does not start, or ends again and again."""


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """Of one revision, in this process."""

    state: ServingState = ServingState.idle
    replicas: int = 0
    """That can be called."""
    wanted: int = 0
    in_flight: int = 0
    """Calls that a replica has."""
    waiting: int = 0
    """Calls whose turn has not come."""
    restarts: int = 0
    """How often replicas ended by themselves since it was woken."""
    trouble: AppError | None = None
    """Why it cannot be called, while it is unhealthy."""
    isolation: Isolation | None = None
    memory_bytes: int = 0
    """Of all replicas, when they were loaded."""
    methods: tuple[str, ...] = ()
    """Besides `predict`."""
    versions: Mapping[str, str] | None = None
    """Of the distributions that the model imported."""
    idle_seconds: float | None = None
    """Since its last call ended; None while one runs, or when it was never called."""
