"""Upkeep: messages that were lost are sent, workers that were lost are replaced, what has expired goes."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import select

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job, JobState
from stentor_common.queue import Message, dead
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.sweep import (
    Sweep,
    SweepLease,
    count_active,
    expire_jobs,
    forget_counts,
    recover,
    run_sweeps,
    sweep_jobs,
)
from stentor_common.testing import eventually, new_job

QUEUE = "test"


async def forgotten(runtime: Runtime) -> uuid.UUID:
    """A job whose process was killed between its commit and its message."""
    async with runtime.db.transaction() as session:
        job = await JobRepository(session).add(new_job(), owner_id=None, now=runtime.clock.now())
    return job.id


CALLER = Caller("x", uuid.UUID(int=7))


async def submitted(runtime: Runtime) -> uuid.UUID:
    async with runtime.begin() as work:
        job, _ = await submit(runtime, work, CALLER, new_job())
    return job.id


async def taken(runtime: Runtime, job_id: uuid.UUID) -> Lease:
    async with runtime.begin() as work:
        found = await LeaseRepository(work.session).take(
            job_id, runtime.clock.now(), timedelta(seconds=runtime.settings.lease_seconds)
        )
    assert found
    return found


async def messages(runtime: Runtime) -> list[uuid.UUID]:
    """What is in the queue, taken out of it."""
    found = []
    for _ in range(await runtime.queue.depth(QUEUE)):
        async with runtime.queue.consume(QUEUE, 1) as deliveries:
            delivery = await anext(deliveries)
            found.append(delivery.message.job_id)
            await delivery.ack()
    return found


async def state(runtime: Runtime, job_id: uuid.UUID) -> JobState:
    async with runtime.db.reading() as session:
        return (await session.get_one(Job, job_id)).state


async def test_a_message_that_was_never_sent_is_sent(runtime: Runtime, clock: ManualClock) -> None:
    job_id = await forgotten(runtime)
    await sweep_jobs(runtime)
    assert await messages(runtime) == []
    clock.advance(seconds=6)
    for _ in range(3):
        await sweep_jobs(runtime)
    assert await messages(runtime) == [job_id]


async def test_a_message_that_was_sent_is_not_sent_again(runtime: Runtime, clock: ManualClock) -> None:
    job_id = await submitted(runtime)
    for _ in range(3):
        await runtime.outbox.note_confirmed()
        clock.advance(seconds=6)
        await sweep_jobs(runtime)
    assert await messages(runtime) == [job_id]


async def test_a_long_queue_is_not_sent_again(runtime: Runtime, clock: ManualClock) -> None:
    ids = [await submitted(runtime) for _ in range(5)]
    await runtime.outbox.note_confirmed()
    clock.advance(hours=1)
    await sweep_jobs(runtime)
    assert await messages(runtime) == ids


async def test_messages_of_cancelled_jobs_do_not_hide_one_that_is_missing(
    runtime: Runtime, clock: ManualClock
) -> None:
    waiting = await submitted(runtime)
    await messages(runtime)
    for _ in range(3):
        await cancel(runtime, CALLER, str(await submitted(runtime)))
    clock.advance(minutes=6)
    await sweep_jobs(runtime)
    assert (await messages(runtime)).count(waiting) == 1


async def test_a_broker_that_lost_its_messages_gets_them_again(runtime: Runtime, clock: ManualClock) -> None:
    ids = [await submitted(runtime) for _ in range(3)]
    await runtime.outbox.note_confirmed()
    assert len(await messages(runtime)) == 3
    clock.advance(minutes=6)
    await sweep_jobs(runtime)
    assert set(await messages(runtime)) == set(ids)


async def test_a_job_whose_worker_was_lost_gets_another_message(runtime: Runtime, clock: ManualClock) -> None:
    job_id = await submitted(runtime)
    await messages(runtime)
    await taken(runtime, job_id)
    clock.advance(seconds=runtime.settings.lease_seconds - 1)
    await sweep_jobs(runtime)
    assert await state(runtime, job_id) == JobState.running
    clock.advance(seconds=2)
    await sweep_jobs(runtime)
    assert await messages(runtime) == [job_id]


async def test_a_job_that_kills_its_workers_is_failed_buried_and_told(
    runtime: Runtime, clock: ManualClock
) -> None:
    job_id = await submitted(runtime)
    with runtime.signals.subscribe(job_id, only_end=True) as subscription:
        for _ in range(runtime.settings.max_attempts):
            await taken(runtime, job_id)
            clock.advance(seconds=runtime.settings.lease_seconds + 1)
            await sweep_jobs(runtime)
        async with asyncio.timeout(1):
            await subscription.wait(60)
    assert await state(runtime, job_id) == JobState.failed
    assert await runtime.queue.depth(dead(QUEUE)) == 1


async def test_after_a_restart_what_was_under_way_begins_again(runtime: Runtime) -> None:
    """The embedded form: the queue and the worker went with the process."""
    waiting, running = await forgotten(runtime), await forgotten(runtime)
    await taken(runtime, running)
    await recover(runtime)
    assert set(await messages(runtime)) == {waiting, running}


async def test_large_results_of_expired_jobs_are_deleted(runtime: Runtime, clock: ManualClock) -> None:
    job_id = await forgotten(runtime)
    key = f"results/{job_id}.json"

    async def content() -> object:
        yield b"{}"

    await runtime.store.save(key, content())  # type: ignore[arg-type]
    lease = await taken(runtime, job_id)
    async with runtime.begin() as work:
        done = Outcome(JobState.completed, result_key=key)
        await LeaseRepository(work.session).finish(lease, done, clock.now())
    path = runtime.settings.data_dir / "objects" / key
    await expire_jobs(runtime)
    assert path.exists()
    clock.advance(days=8)
    await expire_jobs(runtime)
    assert not path.exists()
    assert await state(runtime, job_id) == JobState.expired


class Counting:
    def __init__(self) -> None:
        self.runs = 0

    async def __call__(self, _: Runtime) -> None:
        self.runs += 1

    async def ran(self) -> bool:
        return self.runs >= 2


@contextlib.asynccontextmanager
async def sweeping(runtime: Runtime, act: Counting, process_id: uuid.UUID) -> AsyncIterator[None]:
    task = asyncio.create_task(run_sweeps(runtime, [Sweep("test", 0.01, act)], process_id))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_one_process_sweeps_and_another_takes_over_when_it_is_gone(
    runtime: Runtime, clock: ManualClock
) -> None:
    first, second = Counting(), Counting()
    async with sweeping(runtime, first, uuid.uuid4()):
        await eventually(first.ran)
        async with sweeping(runtime, second, uuid.uuid4()):
            seen = first.runs
            await eventually(lambda: more_than(first, seen + 3))
            assert second.runs == 0
    async with sweeping(runtime, second, uuid.uuid4()):
        clock.advance(seconds=60)
        await eventually(second.ran)


async def more_than(act: Counting, runs: int) -> bool:
    return act.runs > runs


async def test_upkeep_outlives_its_failures(runtime: Runtime) -> None:
    class Failing(Counting):
        async def __call__(self, runtime: Runtime) -> None:
            await super().__call__(runtime)
            raise OSError("the database is away")

    act = Failing()
    async with sweeping(runtime, act, uuid.uuid4()):
        await eventually(act.ran)


async def test_a_process_sweeps_in_the_background_as_long_as_it_lives(
    runtime: Runtime, clock: ManualClock
) -> None:
    act = Counting()
    service = Service(name="test", sweeps=[Sweep("test", 0.01, act)])
    job_id = await forgotten(runtime)
    async with background(runtime, [service]):
        await eventually(act.ran)
        clock.advance(seconds=6)

        async def came() -> bool:
            return await runtime.queue.depth(QUEUE) > 0

        await eventually(came)
        assert {"jobs", "test"} <= await held(runtime)
    assert await messages(runtime) == [job_id]
    assert await held(runtime) == set()


async def held(runtime: Runtime) -> set[str]:
    """What this or any process has the right to sweep."""
    async with runtime.db.reading() as session:
        return set(await session.scalars(select(SweepLease.name)))


async def test_who_does_not_count_shows_no_counts(runtime: Runtime) -> None:
    await forgotten(runtime)
    shown = runtime.metrics.registry.get_sample_value
    labels = {"queue": QUEUE, "state": "queued"}
    await count_active(runtime)
    assert shown("stentor_jobs_active", labels) == 1
    forget_counts(runtime)
    assert shown("stentor_jobs_active", labels) is None


async def test_a_message_without_a_job_is_harmless(runtime: Runtime) -> None:
    await runtime.queue.publish(Message(QUEUE, "test.work", uuid.uuid4()))
    await sweep_jobs(runtime)
    assert len(await messages(runtime)) == 1
