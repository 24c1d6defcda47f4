"""What callers do to jobs: make, find, list, cancel, delete."""

import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from stentor_common.auth import Caller
from stentor_common.errors import Conflict, NotFound
from stentor_common.jobs.table import JOB, Job, JobState, sources
from stentor_common.webhooks import Callback

GRACE = timedelta(seconds=5)
"""How long the process that accepted a job has to send its message before the sweeper does."""


class IdempotencyMismatch(Conflict):
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "this Idempotency-Key came before with a different request; use a new key for a new request"
        )


class NoSuchJob(NotFound):
    def __init__(self, job_id: str) -> None:
        super().__init__(f"there is no job {job_id[:64]!r}, or it is not yours")


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be made. `id` is chosen by the caller, so that input can be stored under it first."""

    kind: str
    queue: str
    request: Mapping[str, Any]
    retention: timedelta
    id: uuid.UUID
    request_id: str = ""
    idempotency_key: str | None = None
    fingerprint: str | None = None
    callback: Callback | None = None
    """Whom to tell when it is over."""


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a caller's jobs: at most so many, nearest to the job that they are older or newer than."""

    limit: int
    older_than: Job | None = None
    newer_than: Job | None = None
    states: Collection[JobState] = ()
    """Only in one of these; any, if there is none."""
    day: date | None = None
    """Only those made on this day, by UTC."""


class JobRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, new: NewJob, *, owner_id: uuid.UUID | None, now: datetime) -> Job:
        values = {
            "id": new.id,
            "kind": new.kind,
            "queue": new.queue,
            "state": JobState.queued,
            "owner_id": owner_id,
            "request": dict(new.request),
            "request_id": new.request_id,
            "idempotency_key": new.idempotency_key,
            "fingerprint": new.fingerprint,
            "attempts": 0,
            "send_after": now + GRACE,
            "sent": False,
            "created_at": now,
            "expires_at": now + new.retention,
        }
        # A plain insert: a unit of work costs twice as much, and this row is not changed any further.
        await self._session.execute(insert(JOB), values)
        return Job(**values)

    async def made_with(self, idempotency_key: str, fingerprint: str) -> Job | None:
        """The job that this key made. Raises IdempotencyMismatch if it was for another request."""
        job = await self._session.scalar(select(Job).where(Job.idempotency_key == idempotency_key))
        if job is not None and job.fingerprint != fingerprint:
            raise IdempotencyMismatch
        return job

    async def get(self, job_id: str, caller: Caller, *, kind: str | None = None) -> Job:
        """A job the caller may see. Ids are opaque text: one that is no id at all is just not found."""
        found = await self._found(job_id, kind)
        if not caller.may_see(found.owner_id):
            raise NoSuchJob(job_id)
        return _kept(found)

    async def known(self, job_id: str, *, kind: str) -> Job:
        """A job, for whoever knows its id: some results are public by their address, which nobody guesses."""
        return _kept(await self._found(job_id, kind))

    async def _found(self, job_id: str, kind: str | None) -> Job:
        try:
            found = await self._session.get(Job, uuid.UUID(job_id))
        except ValueError:
            found = None
        if found is None or (kind and found.kind != kind):
            raise NoSuchJob(job_id)
        return found

    async def listed(
        self, caller: Caller, kind: str, *, limit: int, after: Job | None, state: JobState | None
    ) -> Sequence[Job]:
        """The caller's jobs, newest first, without their results."""
        query = select(Job).where(
            Job.owner_id == caller.user_id, Job.kind == kind, Job.state != JobState.expired
        )
        if state is not None:
            query = query.where(Job.state == state)
        if after is not None:
            query = query.where(tuple_(Job.created_at, Job.id) < (after.created_at, after.id))
        query = query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)
        return (await self._session.scalars(query.options(defer(Job.result)))).all()

    async def page(self, caller: Caller, kind: str, page: Page) -> Sequence[Job]:
        """The caller's jobs in a page, newest first, without their results."""
        place = tuple_(Job.created_at, Job.id)
        query = select(Job).where(
            Job.owner_id == caller.user_id, Job.kind == kind, Job.state != JobState.expired
        )
        if page.states:
            query = query.where(Job.state.in_(page.states))
        if page.day:
            begin = datetime.combine(page.day, time(), UTC)
            query = query.where(Job.created_at >= begin, Job.created_at < begin + timedelta(days=1))
        if page.older_than:
            query = query.where(place < (page.older_than.created_at, page.older_than.id))
        if page.newer_than:
            query = query.where(place > (page.newer_than.created_at, page.newer_than.id))
        upwards = page.newer_than is not None and page.older_than is None
        order = (Job.created_at, Job.id) if upwards else (Job.created_at.desc(), Job.id.desc())
        query = query.order_by(*order).limit(page.limit).options(defer(Job.result))
        found = (await self._session.scalars(query)).all()
        return found[::-1] if upwards else found

    async def position(self, job: Job) -> int | None:
        """How many jobs are before this one in its queue; None once it left the queue."""
        if job.state != JobState.queued:
            return None
        before = select(func.count()).where(
            Job.state == JobState.queued, Job.queue == job.queue, Job.created_at < job.created_at
        )
        return await self._session.scalar(before)

    async def cancel(self, job: Job, now: datetime) -> bool:
        """Stop a job that still waits or runs; False if that was done before. Raises Conflict when it is
        over for another reason."""
        if job.state == JobState.cancelled:
            return False
        moved = await self._session.execute(
            update(Job)
            .where(Job.id == job.id, Job.state.in_(sources(JobState.cancelled)))
            .values(state=JobState.cancelled, finished_at=now, lease_id=None, lease_until=None)
            .returning(Job.id)
        )
        if moved.scalar() is None:
            raise Conflict(f"job {job.id} is {job.state} and can no longer be cancelled")
        await self._session.refresh(job)
        return True

    async def delete(self, job: Job) -> None:
        """Forget a job. A worker that runs it notices and stops."""
        await self._session.execute(delete(Job).where(Job.id == job.id))


def _kept(job: Job) -> Job:
    if job.state == JobState.expired:
        raise NotFound(f"job {job.id} was deleted when its retention ended at {job.expires_at}")
    return job


def idempotency_hash(caller: Caller, key: str) -> str:
    """Keys are scoped to the caller: two callers may use the same one."""
    return hashlib.sha256(f"{caller.key}\n{key}".encode()).hexdigest()
