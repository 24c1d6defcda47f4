"""A worker takes a job, keeps it, and records how it ended, once; what may pass is tried again."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.errors import BadInput, Unavailable
from stentor_common.jobs.leases import LeaseRepository
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.results import result_of
from stentor_common.jobs.run import JobRun, JobStopped, Progress
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job, JobState
from stentor_common.queue import Message, dead
from stentor_common.runtime import Runtime
from stentor_common.service import Handler, Service
from stentor_common.sweep import recover, sweep_jobs
from stentor_common.testing import eventually, new_job
from stentor_common.worker import run_worker

CALLER = Caller("203.0.113.9", user_id=uuid.UUID(int=7))
QUEUE, KIND = "test", "test.work"

Working = Callable[[Handler], AbstractAsyncContextManager[asyncio.Task[None]]]


@pytest.fixture
def places() -> int:
    """Jobs that the worker runs side by side."""
    return 2


@pytest.fixture
def working(runtime: Runtime, places: int) -> Working:
    """A worker that does jobs with a handler, while the block lasts."""

    @contextlib.asynccontextmanager
    async def run(handler: Handler) -> AsyncIterator[asyncio.Task[None]]:
        service = Service(name="test", handlers={KIND: handler}, queues={QUEUE: places})
        worker = asyncio.create_task(run_worker(runtime, [service]))
        try:
            yield worker
        finally:
            runtime.stopping.set()
            await worker
            runtime.stopping.clear()

    return run


@pytest.fixture
def job(runtime: Runtime) -> Callable[[uuid.UUID], Awaitable[Job]]:
    async def read(job_id: uuid.UUID) -> Job:
        async with runtime.db.reading() as session:
            return await session.get_one(Job, job_id)

    return read


@pytest.fixture
def reached(job: Callable[[uuid.UUID], Awaitable[Job]]) -> Callable[..., Awaitable[Job]]:
    """Wait until a job is in a state."""

    async def wait(job_id: uuid.UUID, state: JobState, *, attempts: int | None = None) -> Job:
        async def look() -> Job | None:
            found = await job(job_id)
            return found if found.state == state and attempts in (None, found.attempts) else None

        found = await eventually(look)
        assert found
        return found

    return wait


Reached = Callable[..., Awaitable[Job]]
Read = Callable[[uuid.UUID], Awaitable[Job]]


async def submitted(runtime: Runtime, caller: Caller = CALLER, **changed: Any) -> uuid.UUID:
    async with runtime.begin() as work:
        job, _ = await submit(runtime, work, caller, new_job(**changed))
    return job.id


async def cancelled(runtime: Runtime, job_id: uuid.UUID) -> None:
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        await jobs.cancel(await jobs.get(str(job_id), CALLER), runtime.clock.now())


async def deleted(runtime: Runtime, job_id: uuid.UUID) -> None:
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        await jobs.delete(await jobs.get(str(job_id), CALLER))


async def succeed(_: Runtime, run: JobRun) -> dict[str, Any]:
    return {"echo": run.request}


async def until_stopped(_: Runtime, run: JobRun) -> dict[str, Any]:
    while True:
        await asyncio.sleep(0.005)
        run.check()


class Failing:
    """Raises what it was given, one a run, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def __call__(self, _: Runtime, run: JobRun) -> dict[str, Any]:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        return {}


async def test_a_job_is_done_and_its_result_kept(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    job_id = await submitted(runtime)
    async with working(succeed):
        done = await reached(job_id, JobState.completed)
    assert done.result == {"echo": {"what": "anything"}}
    assert (done.attempts, done.lease_id, done.lease_until, done.eta_seconds) == (1, None, None, None)
    assert done.finished_at == runtime.clock.now()


async def test_a_large_result_is_kept_as_an_object(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    large = {"text": "x" * 100_000}

    async def speak(_: Runtime, run: JobRun) -> dict[str, Any]:
        return large

    job_id = await submitted(runtime)
    async with working(speak):
        done = await reached(job_id, JobState.completed)
    assert done.result is None
    assert (done.result_key or "").startswith(f"results/{job_id}.")
    assert await result_of(runtime.store, done) == large


async def test_an_error_of_the_caller_is_final(runtime: Runtime, working: Working, reached: Reached) -> None:
    handler = Failing(BadInput("say it louder"))
    job_id = await submitted(runtime)
    async with working(handler):
        failed = await reached(job_id, JobState.failed)
    assert (failed.error_code, failed.error_message) == ("bad_input", "say it louder")
    assert handler.runs == failed.attempts == 1
    assert await runtime.queue.depth(dead(QUEUE)) == 0


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), Unavailable("not now"), OSError("gone")])
async def test_what_may_pass_is_tried_again_after_a_wait_that_doubles(
    runtime: Runtime, working: Working, reached: Reached, read: Read, clock: ManualClock, error: Exception
) -> None:
    handler = Failing(error, error)
    job_id = await submitted(runtime)
    async with working(handler):
        for attempt, wait in ((1, 2), (2, 4)):
            waiting = await reached(job_id, JobState.queued, attempts=attempt)
            assert waiting.send_after
            assert (waiting.send_after - clock.now()).total_seconds() == wait
            clock.advance(seconds=wait - 0.1)
            await sweep_jobs(runtime)
            assert await runtime.queue.depth(QUEUE) == 0
            clock.advance(seconds=0.2)
            await sweep_jobs(runtime)
        done = await reached(job_id, JobState.completed)
    assert done.attempts == handler.runs == 3


@pytest.fixture
def read(job: Read) -> Read:
    return job


async def test_a_job_that_always_crashes_fails_with_a_neutral_text_and_is_buried(
    runtime: Runtime, working: Working, reached: Reached, clock: ManualClock
) -> None:
    handler = Failing(*[RuntimeError("the secret of the house")] * 9)
    job_id = await submitted(runtime)
    async with working(handler):
        for attempt in (1, 2):
            await reached(job_id, JobState.queued, attempts=attempt)
            clock.advance(seconds=10)
            await sweep_jobs(runtime)
        failed = await reached(job_id, JobState.failed)
        await eventually(lambda: runtime.queue.depth(dead(QUEUE)))
    assert failed.attempts == handler.runs == runtime.settings.max_attempts
    assert failed.error_code == "internal"
    assert str(job_id) in str(failed.error_message)
    assert "secret" not in str(failed.error_message)
    assert await runtime.queue.depth(dead(QUEUE)) == 1


async def test_a_kind_that_nobody_knows_here_fails_after_all_attempts(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    job_id = await submitted(runtime, kind="test.unheard")
    async with working(succeed):
        await reached(job_id, JobState.queued, attempts=1)


async def test_progress_is_written_while_the_job_runs(runtime: Runtime, working: Working, read: Read) -> None:
    async def slowly(_: Runtime, run: JobRun) -> dict[str, Any]:
        run.report(Progress("stirring", 0.5, 3.0))
        return await until_stopped(runtime, run)

    job_id = await submitted(runtime)
    async with working(slowly):

        async def told() -> bool:
            found = await read(job_id)
            return (found.stage, found.fraction, found.eta_seconds) == ("stirring", 0.5, 3.0)

        await eventually(told)


@pytest.mark.parametrize(("take_away", "left"), [(cancelled, JobState.cancelled), (deleted, None)])
async def test_a_job_that_is_taken_away_stops_at_the_next_heartbeat(
    runtime: Runtime,
    working: Working,
    reached: Reached,
    take_away: Callable[[Runtime, uuid.UUID], Awaitable[None]],
    left: JobState | None,
) -> None:
    stopped = asyncio.Event()

    async def noticing(runtime: Runtime, run: JobRun) -> dict[str, Any]:
        try:
            return await until_stopped(runtime, run)
        finally:
            stopped.set()

    job_id = await submitted(runtime)
    async with working(noticing):
        await reached(job_id, JobState.running)
        await take_away(runtime, job_id)
        # With the default heartbeat of one second this is well within two.
        async with asyncio.timeout(runtime.settings.heartbeat_seconds * 20):
            await stopped.wait()
    async with runtime.db.reading() as session:
        found = await session.get(Job, job_id)
    assert (found.state if found else None) == left


async def test_a_cancelled_job_whose_message_comes_later_is_not_run(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    gone, other = await submitted(runtime), await submitted(runtime)
    await cancelled(runtime, gone)
    handler = Failing()
    async with working(handler):
        await reached(other, JobState.completed)
    assert handler.runs == 1
    assert (await read(gone)).attempts == 0


async def test_a_message_that_comes_twice_does_the_job_once(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    handler = Failing()
    job_id = await submitted(runtime)
    await runtime.queue.publish(Message(QUEUE, KIND, job_id))
    async with working(handler):
        await reached(job_id, JobState.completed)
        last = await submitted(runtime)
        await reached(last, JobState.completed)
    assert handler.runs == 2


async def test_a_worker_that_lost_its_lease_changes_nothing(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    """It slept too long, another did the job; then it wakes up with a result of its own."""
    awake = asyncio.Event()

    async def sleepy(_: Runtime, run: JobRun) -> dict[str, Any]:
        await awake.wait()
        return {"by": "the late one"}

    job_id = await submitted(runtime)
    async with working(sleepy):
        await reached(job_id, JobState.running)
        later = runtime.clock.now() + timedelta(hours=1)
        async with runtime.begin() as work:
            other = await LeaseRepository(work.session).take(job_id, later, timedelta(hours=1))
        assert other
        assert other.attempt == 2
        awake.set()
    found = await read(job_id)
    assert (found.state, found.lease_id, found.result) == (JobState.running, other.id, None)


async def test_at_shutdown_a_short_job_finishes(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    async def briefly(_: Runtime, run: JobRun) -> dict[str, Any]:
        await asyncio.sleep(0.05)
        return {}

    job_id = await submitted(runtime)
    async with working(briefly):
        await reached(job_id, JobState.running)
    assert (await read(job_id)).state == JobState.completed


async def test_at_shutdown_a_long_job_is_handed_back_and_the_attempt_does_not_count(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    job_id = await submitted(runtime)
    async with working(until_stopped):
        await reached(job_id, JobState.running)
    handed_back = await read(job_id)
    assert (handed_back.state, handed_back.attempts) == (JobState.queued, 0)
    assert handed_back.send_after == runtime.clock.now()
    async with working(succeed):
        await sweep_jobs(runtime)
        done = await reached(job_id, JobState.completed)
    assert done.attempts == 1


async def test_a_job_whose_handler_sees_by_itself_that_all_ends_is_handed_back(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    async def give_up(_: Runtime, run: JobRun) -> dict[str, Any]:
        await runtime.stopping.wait()
        raise JobStopped

    job_id = await submitted(runtime)
    async with working(give_up):
        await reached(job_id, JobState.running)
    handed_back = await read(job_id)
    assert (handed_back.state, handed_back.attempts, handed_back.lease_id) == (JobState.queued, 0, None)


async def test_no_more_jobs_run_at_once_than_the_queue_allows(
    runtime: Runtime, working: Working, reached: Reached, read: Read
) -> None:
    ids = [await submitted(runtime) for _ in range(3)]
    async with working(until_stopped):
        for job_id in ids[:2]:
            await reached(job_id, JobState.running)
        assert (await read(ids[2])).state == JobState.queued


async def test_metrics_count_outcomes_by_kind(runtime: Runtime, working: Working, reached: Reached) -> None:
    good, bad = await submitted(runtime), await submitted(runtime)
    handler = Failing(BadInput("no"))
    async with working(handler):
        await reached(good, JobState.failed)
        await reached(bad, JobState.completed)
    value = runtime.metrics.registry.get_sample_value
    for state in ("completed", "failed"):
        assert value("stentor_jobs_finished_total", {"kind": KIND, "state": state}) == 1
    assert value("stentor_jobs_created_total", {"kind": KIND}) == 2
    assert value("stentor_jobs_running", {"kind": KIND}) == 0
    assert value("stentor_job_queue_wait_seconds_count", {"kind": KIND}) == 2
    assert value("stentor_job_run_seconds_count", {"kind": KIND}) == 2


async def test_a_service_starts_before_its_first_job_and_closes_after_its_last(runtime: Runtime) -> None:
    told: list[str] = []

    async def start(_: Runtime) -> None:
        told.append("start")

    async def close() -> None:
        told.append("close")

    async def handler(_: Runtime, run: JobRun) -> dict[str, Any]:
        told.append("job")
        runtime.stopping.set()
        return {}

    service = Service(name="test", handlers={KIND: handler}, queues={QUEUE: 1}, start=start, close=close)
    await submitted(runtime)
    await run_worker(runtime, [service])
    assert told == ["start", "job", "close"]


class Doors:
    """A handler whose jobs end when they are let out."""

    def __init__(self) -> None:
        self.begun: list[uuid.UUID] = []
        self.open = asyncio.Event()

    async def __call__(self, _: Runtime, run: JobRun) -> dict[str, Any]:
        self.begun.append(run.id)
        await self.open.wait()
        return {}

    async def all_busy(self) -> list[uuid.UUID]:
        return self.begun if len(self.begun) >= 4 else []


@pytest.mark.parametrize("places", [4])
@pytest.mark.parametrize("many", [Caller("a", uuid.UUID(int=1)), Caller("a")])
async def test_one_owner_leaves_a_place_for_others(
    runtime: Runtime, working: Working, reached: Reached, many: Caller
) -> None:
    doors = Doors()
    theirs = [await submitted(runtime, many) for _ in range(6)]
    async with working(doors):
        await reached(theirs[2], JobState.running)
        other = await submitted(runtime, Caller("b", uuid.UUID(int=2)))
        await reached(other, JobState.running)
        assert await eventually(doors.all_busy) == [*theirs[:3], other]
        doors.open.set()
        for each in (*theirs, other):
            await reached(each, JobState.completed, attempts=1)


@pytest.mark.parametrize("places", [4])
async def test_what_waits_for_a_place_is_not_lost_when_the_worker_ends(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    jobs = [await submitted(runtime) for _ in range(5)]
    async with working(until_stopped):
        await reached(jobs[2], JobState.running)
    await recover(runtime)
    async with working(succeed):
        for each in jobs:
            await reached(each, JobState.completed)


@pytest.mark.parametrize("places", [4])
@pytest.mark.parametrize("changed_settings", [{"shutdown_seconds": 5}])
async def test_what_waits_for_a_place_goes_to_others_while_the_worker_ends(
    runtime: Runtime, working: Working, reached: Reached
) -> None:
    doors = Doors()
    jobs = [await submitted(runtime) for _ in range(5)]
    async with working(doors):
        await reached(jobs[2], JobState.running)
        runtime.stopping.set()

        async def both_wait() -> bool:
            return await runtime.queue.depth(QUEUE) == 2

        await eventually(both_wait)
        doors.open.set()
