"""A job that is waited for within one request: its end as an answer, its failure as an error."""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from stentor_common.errors import AppError, Conflict, Unavailable
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.watch import wait_finished

if TYPE_CHECKING:
    from stentor_common.auth import Caller
    from stentor_common.runtime import Runtime

LOOK_SECONDS = 1
"""How often it is looked whether the client is still there."""

LAST_WORDS_SECONDS = 2
"""So long before a process that was asked to end cuts off what is open, those who wait are told."""

OURS = {
    "internal": 500,
    "worker_lost": 500,
    "unavailable": 503,
    "decoder_lost": 503,
    "model_not_found": 503,
}
"""Codes of failures that are not the caller's fault, with the status they are told with."""


class JobFailed(AppError):
    """What a job failed of, to be told as the answer to a request."""

    def __init__(self, job: Job) -> None:
        self.code = job.error_code or "internal"
        self.status = OURS.get(self.code, 400)
        # Clients send a request again that failed with a 5xx; a job that failed has been tried often enough.
        again = {"x-should-retry": "false"} if self.status >= 500 else {}
        super().__init__(job.error_message or "the job failed", headers=again)


class Interrupted(Unavailable):
    """This process ends before the job does."""

    code = "interrupted"

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"the server is being restarted while job {job.id} runs; send the request again",
            headers={"Retry-After": "1"},
        )


class ClientGone(Exception):
    """Nobody is there to answer."""


class Client(Protocol):
    """Whoever waits: a request, or something like it at the end of a WebSocket."""

    async def is_disconnected(self) -> bool: ...


async def finished(
    runtime: "Runtime", client: Client, caller: "Caller", job: Job, *, keep: bool = False
) -> Job:
    """The job once it is completed. Raises JobFailed, Conflict when somebody cancelled or deleted it, and
    Interrupted when this process has to end before.

    When the client goes away, or has to ask another process, the job is cancelled, unless `keep` says that it
    may come back for it; a client that went raises ClientGone.
    """
    ends_at = None
    try:
        while job.active:
            if await client.is_disconnected():
                raise ClientGone
            if runtime.stopping.is_set():
                left = runtime.settings.shutdown_seconds - LAST_WORDS_SECONDS
                ends_at = time.monotonic() + left if ends_at is None else ends_at
                if time.monotonic() >= ends_at:
                    raise Interrupted(job)
            found = await wait_finished(runtime, job.id, LOOK_SECONDS, while_stopping=True)
            job = found or _deleted(job)
    except (asyncio.CancelledError, ClientGone, Interrupted):
        if not keep:
            await abandon(runtime, caller, job)
        raise
    return completed(job)


def completed(job: Job) -> Job:
    """The same job. Raises what there is to say when it is over without a result."""
    if job.state == JobState.completed:
        return job
    if job.state == JobState.failed:
        raise JobFailed(job)
    raise Conflict(f"job {job.id} is {job.state}: there is no result")


async def abandon(runtime: "Runtime", caller: "Caller", job: Job) -> None:
    """Stop a job that nobody waits for any more, if it is not over."""
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        try:
            found = await jobs.get(str(job.id), caller)
            await jobs.cancel(found, runtime.clock.now())
        except AppError:
            return
        work.announce(job.id, ended=True)


def _deleted(job: Job) -> Job:
    raise Conflict(f"job {job.id} was deleted while it was waited for")
