"""The queue inside one process. Nothing survives a restart: the job rows do, and refill it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stentor_common.queue import Delivery, Message, dead


class MemoryQueue:
    def __init__(self) -> None:
        self._waiting: defaultdict[str, asyncio.Queue[Message]] = defaultdict(asyncio.Queue)

    @classmethod
    async def open(cls, _url: str) -> "MemoryQueue":
        return cls()

    async def publish(self, message: Message) -> None:
        self._waiting[message.queue].put_nowait(message)

    @asynccontextmanager
    async def consume(self, queue: str, prefetch: int) -> AsyncIterator[AsyncIterator[Delivery]]:
        slots = asyncio.Semaphore(prefetch)

        async def deliveries() -> AsyncIterator[Delivery]:
            while True:
                await slots.acquire()
                yield MemoryDelivery(await self._waiting[queue].get(), self, slots)

        yield deliveries()

    async def bury(self, message: Message) -> None:
        self._waiting[dead(message.queue)].put_nowait(message)

    async def depth(self, queue: str) -> int:
        return self._waiting[queue].qsize()

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class MemoryDelivery:
    message: Message
    _queue: MemoryQueue
    _slots: asyncio.Semaphore

    async def ack(self) -> None:
        self._slots.release()

    async def bury(self) -> None:
        await self._queue.bury(self.message)
        self._slots.release()
