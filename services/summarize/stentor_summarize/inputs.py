"""Texts and documents that came with a job: deleted when it is over, however it ended."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common import uploads
from stentor_common.jobs.table import ACTIVE, Job
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_summarize.tables import SummaryInput

SWEEP_SECONDS = 2
"""So long after a job's end, about, its input is there."""

BATCH = 200


class InputRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, job_id: uuid.UUID, upload_id: uuid.UUID) -> None:
        self._session.add(SummaryInput(job_id=job_id, upload_id=upload_id))

    async def needless(self) -> Sequence[uuid.UUID]:
        """Uploads of jobs that are over, or deleted."""
        active = exists().where(Job.id == SummaryInput.job_id, Job.state.in_(ACTIVE))
        return (await self._session.scalars(select(SummaryInput.upload_id).where(~active).limit(BATCH))).all()

    async def forget(self, upload_ids: Sequence[uuid.UUID]) -> None:
        await self._session.execute(delete(SummaryInput).where(SummaryInput.upload_id.in_(upload_ids)))


async def sweep(runtime: Runtime) -> None:
    """Delete what nobody needs any more."""
    async with runtime.db.reading() as session:
        needless = await InputRepository(session).needless()
    if not needless:
        return
    await uploads.delete(runtime, [Upload(id=upload_id) for upload_id in needless])
    async with runtime.begin() as work:
        await InputRepository(work.session).forget(needless)
