"""Where a call to a deployment goes: what the way of a call needs to know of it, and nothing else."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stentor_deploy.running import RunSpec


@dataclass(frozen=True, slots=True)
class Target:
    """One revision that can be called."""

    revision_id: uuid.UUID
    number: int
    """Counted from 1 within its deployment."""
    percent: int
    """Of calls that name no revision; of all targets of a route together 100."""
    batch: int
    """Most calls joined into one; 1: each by itself."""
    concurrency: int
    streams: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A deployment as its callers need it."""

    deployment_id: uuid.UUID
    name: str
    owner_id: uuid.UUID | None
    public: bool
    """Anybody may call it."""
    targets: tuple[Target, ...]
    """Also those that get no calls but of whoever names them."""
    seconds: float
    """Longest time of a call."""
    min_replicas: int
    """Of each revision that gets calls; 0 lets it sleep."""
    max_replicas: int
    idle_seconds: float
    state: str = ""
    """Of the deployment, for answers while there is no target."""


class Routes(Protocol):
    """What is deployed, as this process knows it: kept in memory, a second old at most."""

    def known(self, name: str) -> Route | None:
        """At once, from memory."""

    async def find(self, name: str) -> Route:
        """By name, or by the id of the deployment. Raises NotFound."""

    async def kept(self) -> Sequence[Route]:
        """Those whose revisions are to be awake without having been called: `min_replicas` above 0."""


class Specs(Protocol):
    """What a revision needs to run, brought to this machine."""

    async def spec(self, revision_id: uuid.UUID) -> RunSpec:
        """Its files unpacked, its environment made, its secrets opened. Raises NotFound, BuildFailed,
        Unavailable."""
