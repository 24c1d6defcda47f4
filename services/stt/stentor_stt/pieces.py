"""Parts of a transcription that are finished while others are not: kept so that nothing is heard twice."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.db import DatabaseUnavailable
from stentor_common.jobs.leases import Lease
from stentor_common.jobs.table import ACTIVE, Job, JobState
from stentor_common.runtime import Runtime
from stentor_stt.tables import HeardPiece
from stentor_stt.transcript import Segment

_SEGMENTS = TypeAdapter(tuple[Segment, ...])


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """What was heard at once. Times count from the recording's start, and the text is final."""

    number: int
    """Counted from 0 in the order in which the recording is cut."""
    channel: int | None
    start_sample: int
    end_sample: int
    segments: tuple[Segment, ...]
    language: str | None
    """None when nobody speaks."""
    language_confidence: float | None

    @classmethod
    def of(cls, row: HeardPiece) -> "StoredPiece":
        return cls(
            row.number,
            row.channel,
            row.start_sample,
            row.end_sample,
            _SEGMENTS.validate_python(row.heard["segments"]),
            row.heard["language"],
            row.heard["language_confidence"],
        )

    def to_row(self, job_id: uuid.UUID) -> dict[str, Any]:
        heard = {
            "segments": _SEGMENTS.dump_python(self.segments, mode="json"),
            "language": self.language,
            "language_confidence": self.language_confidence,
        }
        return {
            "job_id": job_id,
            "number": self.number,
            "channel": self.channel,
            "start_sample": self.start_sample,
            "end_sample": self.end_sample,
            "heard": heard,
        }


class PieceRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def finished(self, job_id: uuid.UUID, *, since: int = 0) -> list[StoredPiece]:
        """The pieces from this number up to the first that is not finished, in order.

        A later call gives the same ones and perhaps more, until the job is over: then they are gone.
        """
        found = enumerate(await self.all(job_id, since=since), since)
        return [piece for _, piece in takewhile(lambda each: each[0] == each[1].number, found)]

    async def all(self, job_id: uuid.UUID, *, since: int = 0) -> list[StoredPiece]:
        """Also those after one that is not finished."""
        wanted = (HeardPiece.job_id == job_id, HeardPiece.number >= since)
        query = select(HeardPiece).where(*wanted).order_by(HeardPiece.number)
        return [StoredPiece.of(row) for row in await self._session.scalars(query)]

    async def add(self, lease: Lease, pieces: Sequence[StoredPiece]) -> bool:
        """Keep them, in place of what was there under the same number. False: the lease was lost, and
        nothing is kept."""
        # Locked until the transaction's end: nobody else can take the job between the look and the insert.
        held = await self._session.scalar(
            select(Job.id)
            .where(Job.id == lease.job_id, Job.lease_id == lease.id, Job.state == JobState.running)
            .with_for_update(read=True)
        )
        if held is None:
            return False
        # SQLite understands the same statement.
        statement = insert(HeardPiece)
        columns = ("channel", "start_sample", "end_sample", "heard")
        await self._session.execute(
            statement.on_conflict_do_update(
                index_elements=["job_id", "number"],
                set_={name: statement.excluded[name] for name in columns},
            ),
            [piece.to_row(lease.job_id) for piece in pieces],
        )
        return True

    async def sweep(self) -> None:
        """Forget the pieces of jobs that are over."""
        over = select(Job.id).where(Job.state.not_in(ACTIVE))
        await self._session.execute(
            delete(HeardPiece).where(HeardPiece.job_id.in_(over)).execution_options(synchronize_session=False)
        )


async def sweep(runtime: Runtime) -> None:
    async with runtime.begin() as work:
        await PieceRepository(work.session).sweep()


class JobMemory:
    """The pieces of one job, written as they are finished: those that finish while others are being
    written go together."""

    def __init__(self, runtime: Runtime, lease: Lease) -> None:
        self._runtime = runtime
        self._lease = lease
        self._waiting: list[StoredPiece] = []
        self._writing: asyncio.Task[None] | None = None

    async def finished(self) -> list[StoredPiece]:
        """What earlier runs of the job kept."""
        async with self._runtime.db.reading() as session:
            return await PieceRepository(session).all(self._lease.job_id)

    def keep(self, piece: StoredPiece) -> None:
        self._waiting.append(piece)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def aclose(self) -> None:
        """What is not written yet is not needed any more: the job is over, or somebody else's."""
        self._waiting.clear()
        if self._writing:
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._waiting:
            taken = self._waiting.copy()
            try:
                async with self._runtime.begin() as work:
                    await PieceRepository(work.session).add(self._lease, taken)
                    work.announce(self._lease.job_id)
            except DatabaseUnavailable:
                # Hearing goes on. They are written with the next ones, if the database is back by then.
                return
            del self._waiting[: len(taken)]
