"""The queue port. A message is a wake-up call: it names a job, the job's row says what to do.

Beside it the port of questions, which are of no use when the answer comes late.
"""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from stentor_common.adapters import Adapter
from stentor_common.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Message:
    queue: str
    kind: str
    job_id: uuid.UUID


class QueueUnavailable(Unavailable):
    """The broker did not take the message. The job's row stays, and the sweeper sends it later."""


class NoAnswer(Unavailable):
    """Nobody who could answer is there, nobody did in time, or answering went wrong."""

    code = "no_answer"


Answer = Callable[[bytes], Awaitable[bytes]]
"""Answers a question."""


class Delivery(Protocol):
    """A message that this consumer holds until it says what became of it."""

    @property
    def message(self) -> Message: ...

    async def ack(self) -> None:
        """Done with it."""

    async def bury(self) -> None:
        """Move it to the dead-letter queue: the job failed for a reason an operator should see."""


class Queue(Protocol):
    """At least once, in order as far as there is one consumer. A message that a lost consumer held is
    delivered again."""

    async def publish(self, message: Message) -> None:
        """Returns once the message is safe with the broker. Raises QueueUnavailable."""

    def consume(self, queue: str, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        """Deliveries of one queue, at most `prefetch` unfinished ones at a time.

        Leaving the block stops new deliveries. Those under way can still be acked or buried; what is
        neither by the time of `close` (or of a crash) is delivered again, to somebody else.
        """

    async def bury(self, message: Message) -> None:
        """Put a message into the dead-letter queue of its queue."""

    async def depth(self, queue: str) -> int:
        """How many messages wait for a consumer."""

    async def ping(self) -> None:
        """Raises QueueUnavailable when messages could not be taken now."""

    async def close(self) -> None: ...


class Questions(Protocol):
    """Questions to whoever can answer, for those who wait for the answer. Nothing is kept."""

    async def ask(self, queue: str, question: bytes, seconds: float) -> bytes:
        """What one of those says who answer on a queue. Raises NoAnswer and QueueUnavailable.

        Nobody begins with a question whose time is over.
        """

    async def answer(self, queue: str, handler: Answer, at_once: int) -> None:
        """Answer the questions of a queue until cancelled, so many side by side.

        One who asked a handler that raises gets NoAnswer. What a lost process had begun to answer is asked
        of another. Raises QueueUnavailable.
        """


class Broker(Queue, Questions, Protocol):
    """What carries messages carries questions too."""


def dead(queue: str) -> str:
    """Name of the queue where a queue's dead letters lie."""
    return f"{queue}.dead"


QUEUES = {
    "memory": Adapter("stentor_common.queue.memory:MemoryQueue"),
    "amqp": Adapter("stentor_common.queue.rabbit:RabbitQueue", extra="cluster"),
    "amqps": Adapter("stentor_common.queue.rabbit:RabbitQueue", extra="cluster"),
}
"""By the scheme of the queue's URL."""
