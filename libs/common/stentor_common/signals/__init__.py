"""The signals port: "something about this job changed", heard by whoever waits for it, in any process.

A signal may get lost, so waiters also look for themselves now and then.
"""

import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from stentor_common.adapters import Adapter


@dataclass(frozen=True, slots=True)
class Change:
    job_id: uuid.UUID
    ended: bool = False
    """Whether the job is over, or gone."""


class Subscription(Protocol):
    async def wait(self, timeout_seconds: float) -> None:
        """Returns when the job changed since the last call, or the time is over."""


class Signals(Protocol):
    def announce(self, changes: Iterable[Change]) -> None:
        """Tell all waiters that these jobs changed. Never blocks and never fails."""

    def subscribe(self, job_id: uuid.UUID, *, only_end: bool = False) -> AbstractContextManager[Subscription]:
        """Hear about one job from now on, while the block lasts; if asked so, only of its end."""

    def wake(self) -> None:
        """Have all who wait in this process look for themselves: it is about to end."""

    async def close(self) -> None: ...


SIGNALS = {
    "memory": Adapter("stentor_common.signals.memory:MemorySignals"),
    "postgresql": Adapter("stentor_common.signals.postgres:PostgresSignals", extra="cluster"),
}
"""By the kind of database that all processes share."""
