"""Accepting a job: once this returns and its transaction commits, the job will be done."""

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import IntegrityError

from stentor_common.auth import Caller
from stentor_common.jobs.repository import IdempotencyMismatch, JobRepository, NewJob
from stentor_common.jobs.table import Job
from stentor_common.queue import Message
from stentor_common.webhooks.intake import accepted
from stentor_common.webhooks.repository import WebhookRepository

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime, Work


async def submit(runtime: "Runtime", work: "Work", caller: Caller, new: NewJob) -> tuple[Job, bool]:
    """Add the job and enqueue its message; returns it and whether it is new.

    With an Idempotency-Key that came before, the job of then. Raises Throttled, IdempotencyMismatch, and what
    `webhooks.intake.accepted` raises for a callback.
    """
    # The connection for this look is given back before the throttle needs one: a request that held one
    # while it waited for another would, among enough like it, wait for ever.
    async with runtime.db.reading() as session:
        found = await _made_before(JobRepository(session), new)
    if found is not None:
        return found, False
    webhook = await accepted(runtime, caller, new.callback) if new.callback else None
    await runtime.throttle.count_new_job(caller)
    jobs = JobRepository(work.session)
    job = await _add(work, jobs, new, caller, runtime.clock.now())
    if job is None:
        # Two requests with the same key at the same moment: the other one was first.
        found = await _made_before(jobs, new)
        if found is None:
            raise IdempotencyMismatch
        return found, False
    if webhook:
        await WebhookRepository(work.session).add(job.id, webhook, job.created_at)
    work.enqueue(Message(new.queue, new.kind, job.id))
    runtime.metrics.jobs_created.labels(new.kind).inc()
    return job, True


async def _add(work: "Work", jobs: JobRepository, new: NewJob, caller: Caller, now: datetime) -> Job | None:
    """The new row; None when another request has the same Idempotency-Key."""
    if new.idempotency_key is None:
        return await jobs.add(new, owner_id=caller.user_id, now=now)
    try:
        async with work.session.begin_nested():
            return await jobs.add(new, owner_id=caller.user_id, now=now)
    except IntegrityError:
        return None


async def _made_before(jobs: JobRepository, new: NewJob) -> Job | None:
    if new.idempotency_key is None:
        return None
    return await jobs.made_with(new.idempotency_key, new.fingerprint or "")
