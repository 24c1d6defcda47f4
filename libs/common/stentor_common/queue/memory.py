"""The queue inside one process. Nothing survives a restart: the job rows do, and refill it."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from stentor_common.queue import Answer, Delivery, Message, NoAnswer, dead

log = structlog.get_logger()


class MemoryQueue:
    def __init__(self) -> None:
        self._waiting: defaultdict[str, asyncio.Queue[Message]] = defaultdict(asyncio.Queue)
        self._asked: defaultdict[str, asyncio.Queue[Question]] = defaultdict(asyncio.Queue)
        self._answering: Counter[str] = Counter()

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

    async def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        if not self._answering[queue]:
            raise NoAnswer("nobody is there to answer")
        asked = Question(question, asyncio.get_running_loop().create_future())
        self._asked[queue].put_nowait(asked)
        try:
            async with asyncio.timeout(seconds):
                return await asked.answer
        except TimeoutError as error:
            raise NoAnswer(f"no answer came within {seconds:.0f} s; try again") from error

    async def answer(self, queue: str, handler: Answer, at_once: int) -> None:
        self._answering[queue] += 1
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._answer_one_by_one(queue, handler))
        finally:
            self._answering[queue] -= 1

    async def _answer_one_by_one(self, queue: str, handler: Answer) -> None:
        while True:
            asked = await self._asked[queue].get()
            if asked.answer.done():
                continue
            try:
                asked.settle(await handler(asked.text))
            except asyncio.CancelledError:
                # For whoever answers here next.
                self._asked[queue].put_nowait(asked)
                raise
            except Exception:
                log.exception("a question could not be answered", queue=queue)
                asked.refuse()

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Question:
    text: bytes
    answer: asyncio.Future[bytes]

    def settle(self, answer: bytes) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def refuse(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(NoAnswer("answering went wrong; the log of the worker says why"))


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
