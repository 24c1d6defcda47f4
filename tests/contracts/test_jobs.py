"""Jobs in a database: states and moves, leases, upkeep. Two that both believe to be right cannot be."""

import asyncio
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.errors import Conflict, NotFound
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import GRACE, IdempotencyMismatch, JobRepository
from stentor_common.jobs.table import ACTIVE, FINISHED, MOVES, Job, JobState, sources
from stentor_common.jobs.upkeep import RESEND, TOMBSTONE, UpkeepRepository
from stentor_common.testing import new_job

NOBODY = Caller("203.0.113.9")
MINUTE = timedelta(minutes=1)
DONE = Outcome(JobState.completed, result={"text": "héllo 日本"})


class Jobs:
    """What tests do to jobs, each in a transaction of its own."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock

    async def add(self, owner_id: uuid.UUID | None = None, **changed: Any) -> uuid.UUID:
        async with self.db.transaction() as session:
            job = await JobRepository(session).add(
                new_job(**changed), owner_id=owner_id, now=self.clock.now()
            )
        return job.id

    async def read(self, job_id: uuid.UUID) -> Job:
        async with self.db.reading() as session:
            return await session.get_one(Job, job_id)

    async def take(self, job_id: uuid.UUID, lease: timedelta = MINUTE) -> Lease | None:
        async with self.db.transaction() as session:
            return await LeaseRepository(session).take(job_id, self.clock.now(), lease)

    async def taken(self, job_id: uuid.UUID, lease: timedelta = MINUTE) -> Lease:
        found = await self.take(job_id, lease)
        assert found
        return found

    async def finish(self, lease: Lease, outcome: Outcome = DONE) -> bool:
        async with self.db.transaction() as session:
            return await LeaseRepository(session).finish(lease, outcome, self.clock.now())

    async def renew(self, lease: Lease, **progress: Any) -> bool:
        async with self.db.transaction() as session:
            return await LeaseRepository(session).renew(lease, self.clock.now() + MINUTE, progress)

    async def retry(self, lease: Lease, after: timedelta) -> bool:
        async with self.db.transaction() as session:
            return await LeaseRepository(session).retry(lease, self.clock.now() + after)

    async def hand_back(self, lease: Lease) -> bool:
        async with self.db.transaction() as session:
            return await LeaseRepository(session).hand_back(lease, self.clock.now())

    async def cancel(self, job_id: uuid.UUID, caller: Caller = NOBODY) -> None:
        async with self.db.transaction() as session:
            jobs = JobRepository(session)
            await jobs.cancel(await jobs.get(str(job_id), caller), self.clock.now())

    async def release_lost(self, max_attempts: int = 3) -> list[uuid.UUID]:
        """What the sweeper does about silent workers; returns what it failed."""
        async with self.db.transaction() as session:
            upkeep = UpkeepRepository(session)
            failed = await upkeep.fail_lost(self.clock.now(), max_attempts)
            await upkeep.release_lost(self.clock.now(), max_attempts)
        return [message.job_id for message in failed]

    async def due(self) -> list[uuid.UUID]:
        async with self.db.reading() as session:
            return [message.job_id for message, _ in await UpkeepRepository(session).due(self.clock.now())]

    async def confirmed(self, *job_ids: uuid.UUID) -> None:
        async with self.db.transaction() as session:
            await UpkeepRepository(session).confirmed(job_ids, self.clock.now())

    async def sent(self, *job_ids: uuid.UUID) -> None:
        async with self.db.transaction() as session:
            await UpkeepRepository(session).sent(job_ids, self.clock.now())

    async def expire(self) -> list[str]:
        async with self.db.transaction() as session:
            upkeep = UpkeepRepository(session)
            keys = await upkeep.expire(self.clock.now())
            await upkeep.bury_expired(self.clock.now())
        return list(keys)


@pytest.fixture
def jobs(db: Database, clock: ManualClock) -> Jobs:
    return Jobs(db, clock)


def test_every_state_is_active_finished_or_forgotten() -> None:
    assert ACTIVE | FINISHED | {JobState.expired} == set(JobState) == MOVES.keys()
    assert not ACTIVE & FINISHED
    assert all(MOVES[state] == {JobState.expired} for state in FINISHED)
    assert sources(JobState.cancelled) == [JobState.queued, JobState.running]


async def test_a_new_job_waits_and_comes_back_as_it_was_sent(jobs: Jobs) -> None:
    owner, request = uuid.uuid4(), {"text": "héllo 日本", "list": [1, None], "deep": {"a": 1.5}}
    job = await jobs.read(await jobs.add(owner, request=request))
    now = jobs.clock.now()
    assert (job.state, job.attempts, job.owner_id, job.request) == (JobState.queued, 0, owner, request)
    assert (job.created_at, job.expires_at, job.send_after) == (now, now + timedelta(days=7), now + GRACE)
    assert job.created_at.tzinfo is UTC


async def test_a_job_is_taken_once(jobs: Jobs) -> None:
    job_id = await jobs.add()
    lease = await jobs.taken(job_id)
    assert (lease.job_id, lease.attempt, lease.kind) == (job_id, 1, "test.work")
    assert await jobs.take(job_id) is None
    job = await jobs.read(job_id)
    assert (job.state, job.send_after, job.lease_until) == (JobState.running, None, jobs.clock.now() + MINUTE)


async def test_of_many_that_take_a_job_at_once_one_gets_it(
    connect: Callable[[], Database], clock: ManualClock
) -> None:
    workers = [Jobs(connect(), clock) for _ in range(4)]
    job_id = await workers[0].add()
    leases = await asyncio.gather(*(worker.take(job_id) for worker in workers for _ in range(3)))
    assert len([lease for lease in leases if lease]) == 1
    assert (await workers[0].read(job_id)).attempts == 1


async def test_what_does_not_exist_cannot_be_taken(jobs: Jobs) -> None:
    assert await jobs.take(uuid.uuid4()) is None


async def test_a_finished_job_has_its_result_and_no_lease(jobs: Jobs) -> None:
    job_id = await jobs.add()
    lease = await jobs.taken(job_id)
    jobs.clock.advance(seconds=5)
    assert await jobs.finish(lease)
    job = await jobs.read(job_id)
    assert (job.state, job.result, job.lease_id) == (JobState.completed, DONE.result, None)
    assert job.started_at
    assert job.finished_at == job.started_at + timedelta(seconds=5)


async def test_an_outcome_is_recorded_once(jobs: Jobs) -> None:
    lease = await jobs.taken(await jobs.add())
    assert await jobs.finish(lease)
    assert not await jobs.finish(lease, Outcome(JobState.failed, error_code="late"))
    assert not await jobs.retry(lease, MINUTE)
    assert not await jobs.hand_back(lease)
    assert not await jobs.renew(lease)
    assert (await jobs.read(lease.job_id)).state == JobState.completed


async def test_a_renewed_lease_lasts_and_carries_progress(jobs: Jobs) -> None:
    lease = await jobs.taken(await jobs.add())
    jobs.clock.advance(seconds=50)
    assert await jobs.renew(lease, stage="stirring", fraction=0.25)
    jobs.clock.advance(seconds=50)
    assert await jobs.take(lease.job_id) is None
    assert await jobs.release_lost() == []
    job = await jobs.read(lease.job_id)
    assert (job.state, job.stage, job.fraction) == (JobState.running, "stirring", 0.25)


async def test_a_job_whose_worker_fell_silent_goes_to_another(jobs: Jobs) -> None:
    job_id = await jobs.add()
    silent = await jobs.taken(job_id)
    jobs.clock.advance(seconds=61)
    other = await jobs.taken(job_id)
    assert other.attempt == 2
    for act in (jobs.finish, jobs.renew, jobs.hand_back):
        assert not await act(silent)
    assert await jobs.finish(other)


async def test_a_lost_job_is_due_again(jobs: Jobs) -> None:
    job_id = await jobs.add()
    await jobs.taken(job_id)
    jobs.clock.advance(seconds=61)
    assert await jobs.release_lost() == []
    assert await jobs.due() == [job_id]
    job = await jobs.read(job_id)
    assert (job.state, job.attempts, job.lease_id) == (JobState.queued, 1, None)


async def test_a_job_that_lost_its_workers_too_often_fails_with_a_reason(jobs: Jobs) -> None:
    job_id = await jobs.add()
    for _ in range(2):
        await jobs.taken(job_id)
        jobs.clock.advance(seconds=61)
        assert await jobs.release_lost() == []
    await jobs.taken(job_id)
    jobs.clock.advance(seconds=61)
    assert await jobs.release_lost() == [job_id]
    job = await jobs.read(job_id)
    assert (job.state, job.error_code, job.finished_at) == (JobState.failed, "worker_lost", jobs.clock.now())
    assert "lost 3 times" in str(job.error_message)
    assert await jobs.take(job_id) is None


async def test_a_retry_waits_for_its_time_and_counts(jobs: Jobs) -> None:
    job_id = await jobs.add()
    assert await jobs.retry(await jobs.taken(job_id), timedelta(seconds=2))
    assert await jobs.due() == []
    jobs.clock.advance(seconds=2)
    assert await jobs.due() == [job_id]
    assert (await jobs.taken(job_id)).attempt == 2


async def test_a_job_handed_back_is_due_at_once_and_does_not_count(jobs: Jobs) -> None:
    job_id = await jobs.add()
    assert await jobs.hand_back(await jobs.taken(job_id))
    assert await jobs.due() == [job_id]
    assert (await jobs.taken(job_id)).attempt == 1


async def test_progress_of_an_earlier_run_is_gone_in_the_next(jobs: Jobs) -> None:
    lease = await jobs.taken(await jobs.add())
    await jobs.renew(lease, stage="stirring", fraction=0.9, eta_seconds=1.0)
    await jobs.retry(lease, timedelta(0))
    job = await jobs.read(lease.job_id)
    assert (job.stage, job.fraction, job.eta_seconds) == (None, None, None)


async def test_a_new_job_is_due_unless_its_message_was_confirmed(jobs: Jobs) -> None:
    lost, confirmed = await jobs.add(), await jobs.add()
    await jobs.confirmed(confirmed)
    assert await jobs.due() == []
    jobs.clock.advance(seconds=GRACE.total_seconds())
    assert await jobs.due() == [lost]
    await jobs.sent(lost)
    assert await jobs.due() == []
    jobs.clock.advance(seconds=RESEND.total_seconds())
    assert set(await jobs.due()) == {lost, confirmed}


async def test_a_late_confirmation_does_not_delay_a_retry(jobs: Jobs) -> None:
    job_id = await jobs.add()
    await jobs.retry(await jobs.taken(job_id), timedelta(seconds=2))
    await jobs.confirmed(job_id)
    await jobs.sent(job_id)
    jobs.clock.advance(seconds=2)
    assert await jobs.due() == [job_id]


async def test_those_that_wait_longest_are_due_first(jobs: Jobs) -> None:
    made = []
    for _ in range(3):
        made.append(await jobs.add())
        jobs.clock.advance(seconds=10)
    assert await jobs.due() == made


async def test_after_a_restart_of_everything_all_that_is_unfinished_is_due(jobs: Jobs) -> None:
    waiting, running, done = await jobs.add(), await jobs.add(), await jobs.add()
    await jobs.confirmed(waiting)
    await jobs.taken(running)
    await jobs.finish(await jobs.taken(done))
    async with jobs.db.transaction() as session:
        await UpkeepRepository(session).orphan_all(jobs.clock.now())
    await jobs.release_lost()
    assert set(await jobs.due()) == {waiting, running}


@pytest.mark.parametrize("running", [False, True])
async def test_an_active_job_can_be_cancelled(jobs: Jobs, running: bool) -> None:
    job_id = await jobs.add()
    lease = await jobs.taken(job_id) if running else None
    await jobs.cancel(job_id)
    await jobs.cancel(job_id)
    job = await jobs.read(job_id)
    assert (job.state, job.finished_at, job.lease_id) == (JobState.cancelled, jobs.clock.now(), None)
    assert await jobs.take(job_id) is None
    assert lease is None or not await jobs.finish(lease)


async def test_what_is_over_cannot_be_cancelled(jobs: Jobs) -> None:
    job_id = await jobs.add()
    await jobs.finish(await jobs.taken(job_id))
    with pytest.raises(Conflict, match="completed"):
        await jobs.cancel(job_id)


async def test_cancelling_and_finishing_at_once_have_one_winner(
    connect: Callable[[], Database], clock: ManualClock
) -> None:
    caller, worker = Jobs(connect(), clock), Jobs(connect(), clock)
    for _ in range(5):
        job_id = await caller.add()
        lease = await worker.taken(job_id)
        finished, cancelled = await asyncio.gather(
            worker.finish(lease), caller.cancel(job_id), return_exceptions=True
        )
        state = (await caller.read(job_id)).state
        assert state == (JobState.completed if finished is True else JobState.cancelled)
        assert isinstance(cancelled, Conflict) is (finished is True)


async def test_a_deleted_job_is_taken_from_its_worker(jobs: Jobs) -> None:
    lease = await jobs.taken(await jobs.add())
    async with jobs.db.transaction() as session:
        repository = JobRepository(session)
        await repository.delete(await repository.get(str(lease.job_id), NOBODY))
    assert not await jobs.renew(lease)
    assert not await jobs.finish(lease)


async def test_a_job_belongs_to_its_owner(jobs: Jobs) -> None:
    owner = uuid.uuid4()
    job_id = await jobs.add(owner)
    async with jobs.db.reading() as session:
        repository = JobRepository(session)
        assert (await repository.get(str(job_id), Caller("x", owner))).id == job_id
        for other in (NOBODY, Caller("x", uuid.uuid4())):
            with pytest.raises(NotFound):
                await repository.get(str(job_id), other)
        with pytest.raises(NotFound):
            await repository.get(str(job_id), Caller("x", owner), kind="test.other")


async def test_an_expired_job_forgets_what_it_was_about(jobs: Jobs) -> None:
    job_id = await jobs.add(idempotency_key="a" * 64, fingerprint="b" * 64)
    outcome = Outcome(JobState.completed, result_key=f"results/{job_id}.json")
    await jobs.finish(await jobs.taken(job_id), outcome)
    jobs.clock.advance(days=6.99)
    assert await jobs.expire() == []
    jobs.clock.advance(days=0.02)
    assert await jobs.expire() == [f"results/{job_id}.json"]
    job = await jobs.read(job_id)
    assert (job.state, job.request, job.result_key) == (JobState.expired, {}, None)
    with pytest.raises(NotFound, match="retention"):
        await jobs.cancel(job_id)
    await jobs.add(idempotency_key="a" * 64)


async def test_the_row_of_an_expired_job_goes_after_a_while(jobs: Jobs) -> None:
    job_id = await jobs.add()
    await jobs.finish(await jobs.taken(job_id))
    jobs.clock.advance(days=7)
    await jobs.expire()
    await jobs.read(job_id)
    jobs.clock.advance(seconds=TOMBSTONE.total_seconds())
    await jobs.expire()
    async with jobs.db.reading() as session:
        assert await session.get(Job, job_id) is None


async def test_a_result_that_came_late_is_there_for_a_while(jobs: Jobs) -> None:
    job_id = await jobs.add()
    lease = await jobs.taken(job_id)
    jobs.clock.advance(days=8)
    await jobs.finish(lease)
    jobs.clock.advance(minutes=59)
    await jobs.expire()
    assert (await jobs.read(job_id)).state == JobState.completed
    jobs.clock.advance(minutes=2)
    await jobs.expire()
    assert (await jobs.read(job_id)).state == JobState.expired


async def test_what_still_waits_does_not_expire(jobs: Jobs) -> None:
    job_id = await jobs.add()
    jobs.clock.advance(days=30)
    assert await jobs.expire() == []
    assert (await jobs.read(job_id)).state == JobState.queued


async def test_an_idempotency_key_is_there_once(jobs: Jobs) -> None:
    await jobs.add(idempotency_key="a" * 64, fingerprint="b" * 64)
    with pytest.raises(IntegrityError):
        await jobs.add(idempotency_key="a" * 64, fingerprint="b" * 64)
    async with jobs.db.reading() as session:
        repository = JobRepository(session)
        assert await repository.made_with("a" * 64, "b" * 64)
        assert await repository.made_with("c" * 64, "b" * 64) is None
        with pytest.raises(IdempotencyMismatch):
            await repository.made_with("a" * 64, "d" * 64)


async def test_jobs_are_listed_by_owner_kind_and_state_newest_first(jobs: Jobs) -> None:
    owner = uuid.uuid4()
    made = []
    for _ in range(3):
        made.append(await jobs.add(owner))
        jobs.clock.advance(seconds=1)
    await jobs.add(uuid.uuid4())
    await jobs.add(owner, kind="test.other")
    caller = Caller("x", owner)
    await jobs.cancel(made[1], caller)
    async with jobs.db.reading() as session:
        listed = JobRepository(session).listed
        newest = await listed(caller, "test.work", limit=2, after=None, state=None)
        assert [job.id for job in newest] == made[:0:-1]
        rest = await listed(caller, "test.work", limit=2, after=newest[-1], state=None)
        assert [job.id for job in rest] == made[:1]
        cancelled = await listed(caller, "test.work", limit=9, after=None, state=JobState.cancelled)
        assert [job.id for job in cancelled] == [made[1]]


async def test_a_place_in_the_queue_counts_those_that_came_before(jobs: Jobs) -> None:
    first = await jobs.add()
    jobs.clock.advance(seconds=1)
    await jobs.add(queue="other")
    second = await jobs.add()

    async def position(job_id: uuid.UUID) -> int | None:
        async with jobs.db.reading() as session:
            return await JobRepository(session).position(await session.get_one(Job, job_id))

    assert (await position(first), await position(second)) == (0, 1)
    await jobs.taken(first)
    assert (await position(first), await position(second)) == (None, 0)


async def test_active_jobs_are_counted_by_queue_and_state(jobs: Jobs) -> None:
    await jobs.taken(await jobs.add())
    await jobs.add()
    await jobs.add(queue="other")
    await jobs.cancel(await jobs.add())
    async with jobs.db.reading() as session:
        upkeep = UpkeepRepository(session)
        assert await upkeep.waiting("test") == 1
        assert sorted(await upkeep.active()) == [
            ("other", "queued", 1),
            ("test", "queued", 1),
            ("test", "running", 1),
        ]


async def test_times_keep_their_zone_and_order(jobs: Jobs) -> None:
    job = await jobs.read(await jobs.add())
    assert job.created_at.utcoffset() == timedelta(0)
    assert job.created_at == datetime.fromtimestamp(job.created_at.timestamp(), UTC)
