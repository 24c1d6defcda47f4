"""What workers do to jobs: take one, keep it, hand it back, record how it ended.

Each is one statement that names the state it starts from and the lease it needs, so that two workers
with the same message, or one that was thought dead, cannot both be right.
"""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, true, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.jobs.table import JOB, JobState

# Updates of the table rather than of mapped objects: there are none in the session to keep in step, and
# this is the path every job takes.
TAKE = (
    update(JOB)
    .where(
        JOB.c.id == bindparam("job_id"),
        or_(
            JOB.c.state == JobState.queued,
            and_(JOB.c.state == JobState.running, JOB.c.lease_until < bindparam("now")),
        ),
    )
    .values(
        state=JobState.running,
        attempts=JOB.c.attempts + 1,
        lease_id=bindparam("new_lease_id"),
        lease_until=bindparam("until"),
        send_after=None,
        started_at=bindparam("now"),
        fraction=None,
        eta_seconds=None,
        stage=None,
    )
    .returning(
        JOB.c.kind,
        JOB.c.queue,
        JOB.c.owner_id,
        JOB.c.request,
        JOB.c.request_id,
        JOB.c.attempts,
        JOB.c.created_at,
    )
)

HELD = update(JOB).where(
    JOB.c.id == bindparam("job_id"),
    JOB.c.lease_id == bindparam("held_lease_id"),
    JOB.c.state == JobState.running,
)


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run a job, until somebody takes it away."""

    id: uuid.UUID
    job_id: uuid.UUID
    kind: str
    queue: str
    owner_id: uuid.UUID | None
    request: dict[str, Any]
    request_id: str
    attempt: int
    created_at: datetime

    @property
    def run_name(self) -> str:
        """Names this run of the job, and no other."""
        return f"{self.job_id}.{self.id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: completed with a result, failed with a reason, or back to queued with what will be
    the reason if no further attempt helps."""

    state: JobState
    result: dict[str, Any] | None = None
    result_key: str | None = None
    error_code: str | None = None
    error_message: str | None = None


class LeaseRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def take(
        self,
        job_id: uuid.UUID,
        now: datetime,
        duration: timedelta,
        *,
        not_of: Collection[uuid.UUID | None] = (),
    ) -> Lease | None:
        """Claim a job that waits, or whose worker fell silent, unless it belongs to one of these owners.
        None: it is theirs, or there is nothing to do any more."""
        lease_id = uuid.uuid4()
        row = await self._session.execute(
            TAKE.where(_not_of(not_of)) if not_of else TAKE,
            {"job_id": job_id, "now": now, "until": now + duration, "new_lease_id": lease_id},
        )
        found = row.one_or_none()
        if found is None:
            return None
        return Lease(lease_id, job_id, *found)

    async def waiting(self, queue: str, *, not_of: Collection[uuid.UUID | None] = ()) -> uuid.UUID | None:
        """The job that waits longest in a queue, of those that belong to none of these owners."""
        first = (
            select(JOB.c.id)
            .where(JOB.c.queue == queue, JOB.c.state == JobState.queued, _not_of(not_of))
            .order_by(JOB.c.created_at)
            .limit(1)
        )
        found: uuid.UUID | None = await self._session.scalar(first)
        return found

    async def waits(self, job_id: uuid.UUID) -> bool:
        """Whether a job is in its queue."""
        found = select(JOB.c.id).where(JOB.c.id == job_id, JOB.c.state == JobState.queued)
        return await self._session.scalar(found) is not None

    async def renew(self, lease: Lease, until: datetime, progress: dict[str, Any]) -> bool:
        """Keep the job and write its progress. False: it was cancelled, deleted or given to another."""
        return await self._update(lease, {"lease_until": until, **progress})

    async def finish(self, lease: Lease, outcome: Outcome, now: datetime) -> bool:
        """Record the outcome, once. False: the lease was lost, and the outcome with it."""
        return await self._update(
            lease,
            {
                "state": outcome.state,
                "result": outcome.result,
                "result_key": outcome.result_key,
                "error_code": outcome.error_code,
                "error_message": outcome.error_message,
                "finished_at": now,
                "lease_id": None,
                "lease_until": None,
                "eta_seconds": None,
            },
        )

    async def retry(self, lease: Lease, at: datetime) -> bool:
        """Put the job back into its queue; the sweeper sends its message when `at` has come."""
        return await self._requeue(lease, at, attempts=lease.attempt)

    async def hand_back(self, lease: Lease, now: datetime) -> bool:
        """Give up a job unfinished, because this process ends; the attempt does not count."""
        return await self._requeue(lease, now, attempts=lease.attempt - 1)

    async def _requeue(self, lease: Lease, at: datetime, *, attempts: int) -> bool:
        return await self._update(
            lease,
            {
                "state": JobState.queued,
                "attempts": attempts,
                "lease_id": None,
                "lease_until": None,
                "send_after": at,
                "sent": False,
                "stage": None,
                "fraction": None,
                "eta_seconds": None,
            },
        )

    async def _update(self, lease: Lease, values: dict[str, Any]) -> bool:
        found = await self._session.execute(
            HELD.values(values), {"job_id": lease.job_id, "held_lease_id": lease.id}
        )
        assert isinstance(found, CursorResult)
        return found.rowcount == 1


def _not_of(owners: Collection[uuid.UUID | None]) -> ColumnElement[bool]:
    """Nobody's jobs are those of one owner: all who come without a token share."""
    if not owners:
        return true()
    known = JOB.c.owner_id.not_in([owner for owner in owners if owner is not None])
    return (
        and_(JOB.c.owner_id.is_not(None), known) if None in owners else or_(JOB.c.owner_id.is_(None), known)
    )
