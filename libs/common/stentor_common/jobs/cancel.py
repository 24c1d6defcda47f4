"""Stopping a job, for all contracts alike."""

from typing import TYPE_CHECKING

from stentor_common.auth import Caller
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime


async def cancel(runtime: "Runtime", caller: Caller, job_id: str, *, kind: str | None = None) -> Job:
    """Cancel a job that waits or runs; its worker stops within a second or two.

    Raises NotFound, and Conflict when it is over already.
    """
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        job = await jobs.get(job_id, caller, kind=kind)
        if not await jobs.cancel(job, runtime.clock.now()):
            return job
        work.announce(job.id, ended=True)
    runtime.metrics.jobs_finished.labels(job.kind, job.state).inc()
    return job
