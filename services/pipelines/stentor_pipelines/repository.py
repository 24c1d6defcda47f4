"""All queries on the tables of pipelines."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.jobs.table import Job
from stentor_pipelines.tables import PipelineStep


class StepRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, job_id: uuid.UUID) -> Sequence[PipelineStep]:
        """The steps of a pipeline that have begun, in order."""
        query = select(PipelineStep).where(PipelineStep.job_id == job_id).order_by(PipelineStep.number)
        return (await self._session.scalars(query)).all()

    async def begin(self, job_id: uuid.UUID, number: int, child_id: uuid.UUID) -> None:
        await self._session.merge(PipelineStep(job_id=job_id, number=number, child_id=child_id))

    async def complete(self, job_id: uuid.UUID, number: int, output: Mapping[str, Any]) -> None:
        step = await self._session.get_one(PipelineStep, (job_id, number))
        step.output = dict(output)

    def take_over(self, job_id: uuid.UUID, steps: Sequence[PipelineStep]) -> None:
        """Steps of another pipeline as the first ones of this."""
        self._session.add_all(
            PipelineStep(job_id=job_id, number=step.number, child_id=step.child_id, output=step.output)
            for step in steps
        )

    async def children(self, steps: Sequence[PipelineStep]) -> Mapping[uuid.UUID, Job]:
        """The jobs that do these steps, by id, as far as they are still there."""
        query = select(Job).where(Job.id.in_([step.child_id for step in steps]))
        return {job.id: job for job in await self._session.scalars(query)}
