"""Waiting for a job, and following it, without asking all the time."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from stentor_common.jobs.table import Job

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

LOOK_EVERY_SECONDS = 5
"""Waiters look for themselves this often, should a signal get lost."""


async def wait_finished(
    runtime: "Runtime", job_id: uuid.UUID, seconds: float, *, while_stopping: bool = False
) -> Job | None:
    """The job, once it is over or the time is; None if it was deleted. When this process is asked to end,
    that is the end of the time too, unless `while_stopping`."""
    deadline = _time() + seconds
    with runtime.signals.subscribe(job_id, only_end=True) as subscription:
        while True:
            job = await read(runtime, job_id)
            left = deadline - _time()
            if job is None or not job.active or left <= 0:
                return job
            if runtime.stopping.is_set() and not while_stopping:
                return job
            await subscription.wait(min(left, LOOK_EVERY_SECONDS))


async def follow(runtime: "Runtime", job_id: uuid.UUID) -> AsyncIterator[Job]:
    """The job as it is now and each time it changed, until it is over, gone, or this process ends."""
    with runtime.signals.subscribe(job_id) as subscription:
        while (job := await read(runtime, job_id)) is not None:
            yield job
            if not job.active or runtime.stopping.is_set():
                return
            await subscription.wait(LOOK_EVERY_SECONDS)


async def read(runtime: "Runtime", job_id: uuid.UUID) -> Job | None:
    async with runtime.db.reading() as session:
        return await session.get(Job, job_id)


def _time() -> float:
    return asyncio.get_running_loop().time()
