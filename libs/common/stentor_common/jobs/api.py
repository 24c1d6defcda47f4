"""Routes for jobs of any kind. Every host has them: the rows are in the one database."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.schemas import JobView, view
from stentor_common.jobs.table import Job
from stentor_common.jobs.watch import follow
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_common.runtime import Runtime

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}")
async def read_job(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> JobView:
    """State and progress of a job of any kind. Its result is at the path of its kind."""
    async with runtime.db.reading() as session:
        jobs = JobRepository(session)
        job = await jobs.get(job_id, caller)
        return view(job, await jobs.position(job))


@router.post("/{job_id}/cancel")
async def cancel_job(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> JobView:
    """Stop a job that waits or runs. 409 when it is over."""
    return view(await cancel(runtime, caller, job_id), None)


async def get_job(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(job_id, caller)


# Found before the answer begins: a stream that has begun can no longer say that there is no such job.
FollowedDep = Annotated[Job, Depends(get_job)]


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def follow_job(runtime: RuntimeDep, job: FollowedDep) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` each time something changed, at the end the name of the outcome."""
    async for event in events(runtime, job):
        yield event


async def events(runtime: Runtime, job: Job) -> AsyncIterator[ServerSentEvent]:
    """The story of a job as server-sent events."""
    async for now in follow(runtime, job.id):
        async with runtime.db.reading() as session:
            position = await JobRepository(session).position(now)
        name = "progress" if now.active else str(now.state)
        yield ServerSentEvent(event=name, data=view(now, position))
