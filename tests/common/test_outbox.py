"""What a transaction tells others leaves after its commit, and a broker that is away fails no request."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.upkeep import UpkeepRepository
from stentor_common.outbox import Outbox
from stentor_common.queue import Delivery, Message, QueueUnavailable
from stentor_common.queue.memory import MemoryQueue
from stentor_common.runtime import Runtime
from stentor_common.testing import new_job

CALLER = Caller("x", user_id=uuid.UUID(int=7))


class BrokerAway:
    """A broker that can be unplugged."""

    def __init__(self) -> None:
        self.inner = MemoryQueue()
        self.away = True
        self.asked = 0

    async def publish(self, message: Message) -> None:
        self.asked += 1
        if self.away:
            raise QueueUnavailable("unplugged")
        await self.inner.publish(message)

    def consume(self, queue: str, prefetch: int) -> AbstractAsyncContextManager[AsyncIterator[Delivery]]:
        return self.inner.consume(queue, prefetch)

    async def bury(self, message: Message) -> None: ...

    async def depth(self, queue: str) -> int:
        return await self.inner.depth(queue)

    async def ping(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_message_leaves_after_the_commit(runtime: Runtime) -> None:
    async with runtime.begin() as work:
        await submit(runtime, work, CALLER, new_job())
        assert await runtime.queue.depth("test") == 0
    assert await runtime.queue.depth("test") == 1


async def test_of_a_transaction_that_failed_nothing_leaves(runtime: Runtime) -> None:
    new = new_job()
    with contextlib.suppress(ZeroDivisionError):
        async with runtime.begin() as work:
            await submit(runtime, work, CALLER, new)
            raise ZeroDivisionError
    assert await runtime.queue.depth("test") == 0
    async with runtime.db.reading() as session:
        assert await session.get(Job, new.id) is None


async def due(runtime: Runtime) -> list[uuid.UUID]:
    async with runtime.db.reading() as session:
        return [message.job_id for message, _ in await UpkeepRepository(session).due(runtime.clock.now())]


async def row(runtime: Runtime) -> Job:
    async with runtime.begin() as work:
        job, _ = await submit(runtime, work, CALLER, new_job())
    return job


async def test_with_the_broker_away_the_job_stays_and_is_due_soon(
    runtime: Runtime, clock: ManualClock
) -> None:
    job = await row(runtime)
    broker = BrokerAway()
    outbox = Outbox(broker, runtime.db, clock)
    await outbox.send([Message(job.queue, job.kind, job.id)])
    await outbox.note_confirmed()
    clock.advance(seconds=5)
    assert job.state == JobState.queued
    assert await due(runtime) == [job.id]


async def test_after_a_failure_the_broker_is_left_alone_for_a_while(
    runtime: Runtime, clock: ManualClock
) -> None:
    broker = BrokerAway()
    outbox = Outbox(broker, runtime.db, clock)
    messages = [Message("test", "test.work", uuid.uuid4()) for _ in range(50)]
    for message in messages:
        await outbox.send([message])
    assert broker.asked == 1


async def test_what_the_broker_has_is_not_due(runtime: Runtime, clock: ManualClock) -> None:
    job = await row(runtime)
    await runtime.outbox.note_confirmed()
    clock.advance(seconds=60)
    assert await due(runtime) == []
    assert await runtime.queue.depth(job.queue) == 1
