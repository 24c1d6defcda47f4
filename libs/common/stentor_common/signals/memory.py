"""Signals inside one process; also the part of the PostgreSQL form that serves this process's waiters."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class MemorySubscription:
    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        self._changed.set()

    async def wait(self, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._changed.clear()


class MemorySignals:
    def __init__(self) -> None:
        self._waiting: defaultdict[uuid.UUID, set[MemorySubscription]] = defaultdict(set)

    def announce(self, job_ids: Iterable[uuid.UUID]) -> None:
        for job_id in job_ids:
            for subscription in self._waiting.get(job_id, ()):
                subscription.notify()

    @contextmanager
    def subscribe(self, job_id: uuid.UUID) -> Iterator[MemorySubscription]:
        subscription = MemorySubscription()
        self._waiting[job_id].add(subscription)
        try:
            yield subscription
        finally:
            self._waiting[job_id].discard(subscription)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    async def close(self) -> None: ...
