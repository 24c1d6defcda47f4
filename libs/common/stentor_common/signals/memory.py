"""Signals inside one process; also the part of the PostgreSQL form that serves this process's waiters."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from stentor_common.signals import Change


class MemorySubscription:
    def __init__(self, *, only_end: bool) -> None:
        self._changed = asyncio.Event()
        self._only_end = only_end

    def notify(self, change: Change) -> None:
        if change.ended or not self._only_end:
            self._changed.set()

    def wake(self) -> None:
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

    def announce(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for subscription in self._waiting.get(change.job_id, ()):
                subscription.notify(change)

    @contextmanager
    def subscribe(self, job_id: uuid.UUID, *, only_end: bool = False) -> Iterator[MemorySubscription]:
        subscription = MemorySubscription(only_end=only_end)
        self._waiting[job_id].add(subscription)
        try:
            yield subscription
        finally:
            self._waiting[job_id].discard(subscription)
            if not self._waiting[job_id]:
                del self._waiting[job_id]

    def wake(self) -> None:
        for subscriptions in self._waiting.values():
            for subscription in subscriptions:
                subscription.wake()

    async def close(self) -> None: ...
