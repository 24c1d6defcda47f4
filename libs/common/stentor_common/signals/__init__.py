"""The signals port: "something about this job changed", heard by whoever waits for it, in any process.

A signal may get lost, so waiters also look for themselves now and then.
"""

import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Protocol

from stentor_common.adapters import Adapter


class Subscription(Protocol):
    async def wait(self, timeout_seconds: float) -> None:
        """Returns when the job changed since the last call, or the time is over."""


class Signals(Protocol):
    def announce(self, job_ids: Iterable[uuid.UUID]) -> None:
        """Tell all waiters that these jobs changed. Never blocks and never fails."""

    def subscribe(self, job_id: uuid.UUID) -> AbstractContextManager[Subscription]:
        """Hear about one job from now on, while the block lasts."""

    async def close(self) -> None: ...


SIGNALS = {
    "memory": Adapter("stentor_common.signals.memory:MemorySignals"),
    "postgresql": Adapter("stentor_common.signals.postgres:PostgresSignals", extra="cluster"),
}
"""By the kind of database that all processes share."""
