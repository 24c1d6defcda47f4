"""Pieces of summaries that are being written, and texts that go with their jobs, in a database."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.testing import new_job
from stentor_summarize.inputs import InputRepository
from stentor_summarize.parts import Part, PartRepository, Place
from stentor_summarize.tables import SummaryPart

MINUTE = timedelta(minutes=1)


class Writing:
    """What tests do to jobs and parts, each in a transaction of its own."""

    def __init__(self, db: Database, clock: ManualClock) -> None:
        self.db, self.clock = db, clock

    async def lease(self, job_id: uuid.UUID | None = None) -> Lease:
        """Of a new job, or of one whose worker fell silent."""
        async with self.db.transaction() as session:
            if job_id is None:
                job_id = (await JobRepository(session).add(new_job(), owner_id=None, now=self.clock.now())).id
            lease = await LeaseRepository(session).take(job_id, self.clock.now(), MINUTE)
        assert lease
        return lease

    async def finish(self, lease: Lease) -> None:
        async with self.db.transaction() as session:
            done = Outcome(JobState.completed, result={})
            await LeaseRepository(session).finish(lease, done, self.clock.now())

    async def delete(self, lease: Lease) -> None:
        async with self.db.transaction() as session:
            await session.execute(delete(Job).where(Job.id == lease.job_id))

    async def add(self, lease: Lease, draft: int, number: int, text: str = "text") -> bool:
        async with self.db.transaction() as session:
            return await PartRepository(session).add(lease, Part(Place(draft, number), text))

    async def after(self, lease: Lease, place: Place) -> list[Part]:
        async with self.db.reading() as session:
            return await PartRepository(session).after(lease.job_id, place)

    async def next_draft(self, lease: Lease) -> int:
        async with self.db.reading() as session:
            return await PartRepository(session).next_draft(lease.job_id)

    async def sweep(self) -> int:
        """How many parts are left afterwards."""
        async with self.db.transaction() as session:
            await PartRepository(session).sweep()
            return await session.scalar(select(func.count()).select_from(SummaryPart)) or 0

    async def keep_input(self, lease: Lease) -> uuid.UUID:
        upload_id = uuid.uuid4()
        async with self.db.transaction() as session:
            InputRepository(session).add(lease.job_id, upload_id)
        return upload_id

    async def needless(self) -> list[uuid.UUID]:
        async with self.db.reading() as session:
            return list(await InputRepository(session).needless())


@pytest.fixture
def writing(db: Database, clock: ManualClock) -> Writing:
    return Writing(db, clock)


async def test_parts_are_told_in_the_order_of_drafts_and_numbers(writing: Writing) -> None:
    lease = await writing.lease()
    for draft, number in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert await writing.add(lease, draft, number, f"{draft}.{number} 日本")

    told = [part.text for part in await writing.after(lease, Place())]
    assert told == ["0.0 日本", "0.1 日本", "1.0 日本", "1.1 日本"]
    assert [part.place for part in await writing.after(lease, Place(0, 1))] == [Place(1, 0), Place(1, 1)]
    assert await writing.after(lease, Place(1, 1)) == []


async def test_a_new_draft_comes_after_those_there_are(writing: Writing) -> None:
    lease = await writing.lease()
    assert await writing.next_draft(lease) == 0
    await writing.add(lease, 0, 0)
    await writing.add(lease, 1, 0)
    assert await writing.next_draft(lease) == 2


async def test_a_worker_that_lost_its_lease_writes_nothing(writing: Writing) -> None:
    silent = await writing.lease()
    writing.clock.advance(minutes=2)
    heir = await writing.lease(silent.job_id)
    assert not await writing.add(silent, 0, 0)
    assert await writing.add(heir, 0, 0)
    assert len(await writing.after(heir, Place())) == 1


async def test_parts_go_with_the_jobs_end_and_not_before(writing: Writing) -> None:
    over, running = await writing.lease(), await writing.lease()
    await writing.add(over, 0, 0)
    await writing.add(running, 0, 0)
    assert await writing.sweep() == 2
    await writing.finish(over)
    assert await writing.sweep() == 1


async def test_parts_go_with_a_deleted_job(writing: Writing) -> None:
    lease = await writing.lease()
    await writing.add(lease, 0, 0)
    await writing.delete(lease)
    assert await writing.sweep() == 0


async def test_an_input_is_needless_once_its_job_is_over_or_gone(writing: Writing) -> None:
    over, gone, running = [await writing.lease() for _ in range(3)]
    uploads = {lease.job_id: await writing.keep_input(lease) for lease in (over, gone, running)}
    assert await writing.needless() == []
    await writing.finish(over)
    await writing.delete(gone)
    assert set(await writing.needless()) == {uploads[over.job_id], uploads[gone.job_id]}
    async with writing.db.transaction() as session:
        await InputRepository(session).forget([uploads[over.job_id]])
    assert await writing.needless() == [uploads[gone.job_id]]
