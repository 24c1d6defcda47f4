"""A job's work as one coroutine that ends when the job is stopped, whatever it waits for."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from stentor_common.jobs.run import JobRun

LOOK_EVERY_SECONDS = 0.2
"""How soon a job notices that it was stopped."""

T = TypeVar("T")


async def until_stopped(run: JobRun, work: Coroutine[Any, Any, T]) -> T:
    """What the work gives. A stopped job cancels it; then this raises JobStopped."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            run.check()
            await asyncio.wait([task], timeout=LOOK_EVERY_SECONDS)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
