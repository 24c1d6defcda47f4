"""What is written so far of a summary, kept while its job runs so that others can read along."""

import asyncio
import uuid
from dataclasses import dataclass

from sqlalchemy import delete, func, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.db import DatabaseUnavailable
from stentor_common.jobs.leases import Lease
from stentor_common.jobs.table import ACTIVE, Job, JobState
from stentor_common.runtime import Runtime
from stentor_summarize.tables import SummaryPart

GATHER_SECONDS = 0.1
"""What a model says in this time is written together."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of which draft, both counted from 0."""

    draft: int = 0
    number: int = -1


@dataclass(frozen=True, slots=True)
class Part:
    place: Place
    text: str


class PartRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def after(self, job_id: uuid.UUID, place: Place) -> list[Part]:
        """What was written since then, in order. Where it begins another draft, the one before is void."""
        later = tuple_(SummaryPart.draft, SummaryPart.number) > (place.draft, place.number)
        query = select(SummaryPart).where(SummaryPart.job_id == job_id, later)
        rows = await self._session.scalars(query.order_by(SummaryPart.draft, SummaryPart.number))
        return [Part(Place(row.draft, row.number), row.text) for row in rows]

    async def next_draft(self, job_id: uuid.UUID) -> int:
        """The number of a draft that nobody has begun."""
        last = await self._session.scalar(
            select(func.max(SummaryPart.draft)).where(SummaryPart.job_id == job_id)
        )
        return 0 if last is None else last + 1

    async def add(self, lease: Lease, part: Part) -> bool:
        """Keep it. False: the lease was lost, and nothing is kept."""
        # Locked until the transaction's end: nobody else can take the job between the look and the insert.
        held = await self._session.scalar(
            select(Job.id)
            .where(Job.id == lease.job_id, Job.lease_id == lease.id, Job.state == JobState.running)
            .with_for_update(read=True)
        )
        if held is None:
            return False
        row = {"job_id": lease.job_id, "draft": part.place.draft, "number": part.place.number}
        await self._session.execute(insert(SummaryPart).values(text=part.text, **row))
        return True

    async def sweep(self) -> None:
        """Forget what was written on the way by jobs that are over."""
        over = select(Job.id).where(Job.state.not_in(ACTIVE))
        await self._session.execute(
            delete(SummaryPart)
            .where(SummaryPart.job_id.in_(over))
            .execution_options(synchronize_session=False)
        )


async def sweep(runtime: Runtime) -> None:
    async with runtime.begin() as work:
        await PartRepository(work.session).sweep()


class Pen:
    """Writes down what one run of a job says, as it comes: what comes while some is being written goes
    together."""

    def __init__(self, runtime: Runtime, lease: Lease) -> None:
        self._runtime = runtime
        self._lease = lease
        self._text = ""
        self._written = ""
        self._place: Place | None = None
        """Of the part that was written last."""
        self._writing: asyncio.Task[None] | None = None

    def tell(self, text: str) -> None:
        """The text so far, from its beginning. One that does not begin as the last one did is a new draft."""
        self._text = text
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def aclose(self) -> None:
        """What is not written yet is not needed any more: the job is over, or somebody else's."""
        if self._writing:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._text != self._written:
            text = self._text
            try:
                async with self._runtime.begin() as work:
                    part = await self._part(PartRepository(work.session), text)
                    await PartRepository(work.session).add(self._lease, part)
                    work.announce(self._lease.job_id)
            except DatabaseUnavailable:
                # The model goes on. It is written with what comes next, if the database is back by then.
                return
            self._place, self._written = part.place, text
            await asyncio.sleep(GATHER_SECONDS)

    async def _part(self, parts: PartRepository, text: str) -> Part:
        if self._place and text.startswith(self._written):
            place = Place(self._place.draft, self._place.number + 1)
            return Part(place, text[len(self._written) :])
        # Earlier runs of the job may have left drafts too.
        return Part(Place(await parts.next_draft(self._lease.job_id), 0), text)
