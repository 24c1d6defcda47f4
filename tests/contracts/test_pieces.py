"""Finished pieces of transcriptions in a database: who may write them, in which order they are told, when
they go."""

import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select

from stentor_common.auth import Caller
from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.testing import new_job
from stentor_stt.pieces import PieceRepository, StoredPiece
from stentor_stt.tables import HeardPiece
from stentor_stt.transcript import Flag, Segment, Word

MINUTE = timedelta(minutes=1)
SEGMENT = Segment(
    start_ms=1_000,
    end_ms=2_000,
    text="héllo 日本",
    words=(Word("héllo", 1_000, 1_400, 0.5, channel=1), Word("日本", 1_500, 2_000, 0.25, channel=1)),
    avg_logprob=-0.25,
    no_speech_probability=0.5,
    compression_ratio=1.5,
    temperature=0.2,
    tokens=(1, 2, 3),
    window_ms=1_000,
    flags=(Flag.IMPROBABLE,),
    channel=1,
)


def piece(number: int) -> StoredPiece:
    return StoredPiece(number, 1, 16_000 * number, 16_000 * number + 15_000, (SEGMENT,), "ja", 0.75)


class Pieces:
    """What tests do to pieces, each in a transaction of its own."""

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

    async def add(self, lease: Lease, *numbers: int) -> bool:
        async with self.db.transaction() as session:
            return await PieceRepository(session).add(lease, [piece(number) for number in numbers])

    async def finished(self, lease: Lease) -> list[StoredPiece]:
        async with self.db.reading() as session:
            return await PieceRepository(session).finished(lease.job_id)

    async def all(self, lease: Lease) -> list[StoredPiece]:
        async with self.db.reading() as session:
            return await PieceRepository(session).all(lease.job_id)

    async def sweep(self) -> int:
        """How many are left afterwards."""
        async with self.db.transaction() as session:
            await PieceRepository(session).sweep()
            return await session.scalar(select(func.count()).select_from(HeardPiece)) or 0


@pytest.fixture
def pieces(db: Database, clock: ManualClock) -> Pieces:
    return Pieces(db, clock)


async def test_a_piece_comes_back_as_it_was(pieces: Pieces) -> None:
    lease = await pieces.lease()

    assert await pieces.add(lease, 0)

    assert await pieces.finished(lease) == [piece(0)]


async def test_pieces_are_told_in_order_up_to_the_first_that_is_missing(pieces: Pieces) -> None:
    lease = await pieces.lease()

    await pieces.add(lease, 3, 1)
    assert await pieces.finished(lease) == []
    await pieces.add(lease, 0)
    assert await pieces.finished(lease) == [piece(0), piece(1)]
    await pieces.add(lease, 2)
    assert await pieces.finished(lease) == [piece(number) for number in range(4)]


async def test_all_that_were_heard_can_be_gone_on_with(pieces: Pieces) -> None:
    lease = await pieces.lease()

    await pieces.add(lease, 3, 1)

    assert await pieces.all(lease) == [piece(1), piece(3)]


async def test_a_piece_that_was_cut_otherwise_is_replaced(pieces: Pieces) -> None:
    lease = await pieces.lease()
    await pieces.add(lease, 0, 1)
    other = replace(piece(1), end_sample=99_999, segments=())

    async with pieces.db.transaction() as session:
        await PieceRepository(session).add(lease, [other])

    assert await pieces.all(lease) == [piece(0), other]


async def test_a_worker_that_lost_its_lease_writes_nothing(pieces: Pieces) -> None:
    silent = await pieces.lease()
    await pieces.add(silent, 0)
    pieces.clock.advance(minutes=2)
    heir = await pieces.lease(silent.job_id)

    assert not await pieces.add(silent, 1)
    assert await pieces.add(heir, 2)

    assert await pieces.all(heir) == [piece(0), piece(2)]


async def test_nothing_is_written_for_a_job_that_is_cancelled(pieces: Pieces) -> None:
    lease = await pieces.lease()
    async with pieces.db.transaction() as session:
        jobs = JobRepository(session)
        await jobs.cancel(await jobs.get(str(lease.job_id), Caller("203.0.113.9")), pieces.clock.now())

    assert not await pieces.add(lease, 0)


async def test_pieces_go_with_the_jobs_end_and_not_before(pieces: Pieces) -> None:
    over, running = await pieces.lease(), await pieces.lease()
    await pieces.add(over, 0, 1)
    await pieces.add(running, 0)
    assert await pieces.sweep() == 3

    async with pieces.db.transaction() as session:
        done = Outcome(JobState.completed, result={})
        await LeaseRepository(session).finish(over, done, pieces.clock.now())

    assert await pieces.sweep() == 1
    assert await pieces.finished(running) == [piece(0)]


async def test_pieces_go_with_a_deleted_job(pieces: Pieces) -> None:
    lease = await pieces.lease()
    await pieces.add(lease, 0)

    async with pieces.db.transaction() as session:
        await session.execute(delete(Job).where(Job.id == lease.job_id))

    assert await pieces.sweep() == 0
