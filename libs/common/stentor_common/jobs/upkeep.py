"""What the sweeper does to jobs: find lost messages and lost workers, forget what has expired."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.jobs.table import ACTIVE, FINISHED, Job, JobState
from stentor_common.queue import Message
from stentor_common.webhooks.table import Webhook

RESEND = timedelta(minutes=5)
"""A message that was confirmed is believed to be in the queue this long before it is checked."""

TOMBSTONE = timedelta(days=7)
"""How long an expired job's row stays, so that its id is answered with what happened to it."""

LEAST_KEPT = timedelta(hours=1)
"""A result is there this long, also where the job took longer than its retention."""

BATCH = 500

LOST = (
    "the worker was lost {attempts} times while it ran this job; "
    "the input may need more memory than a worker has"
)


class UpkeepRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def due(self, now: datetime) -> Sequence[tuple[Message, bool]]:
        """Messages to send, those waiting longest first, and whether the broker had them once."""
        rows = await self._session.execute(
            select(Job.queue, Job.kind, Job.id, Job.sent)
            .where(Job.state == JobState.queued, Job.send_after <= now)
            .order_by(Job.send_after)
            .limit(BATCH)
        )
        return [(Message(queue, kind, job_id), sent) for queue, kind, job_id, sent in rows]

    async def waiting(self, queue: str) -> int:
        """How many jobs wait in a queue according to the rows."""
        query = select(func.count()).where(Job.state == JobState.queued, Job.queue == queue)
        return await self._session.scalar(query) or 0

    async def active(self) -> Sequence[tuple[str, str, int]]:
        """How many jobs of each queue are in each active state."""
        query = (
            select(Job.queue, Job.state, func.count())
            .where(Job.state.in_(ACTIVE))
            .group_by(Job.queue, Job.state)
        )
        return [(queue, state, count) for queue, state, count in await self._session.execute(query)]

    async def confirmed(self, job_ids: Sequence[uuid.UUID], now: datetime) -> None:
        """The broker has the first messages of these jobs: no need to look at them for a while.

        A job that was taken meanwhile and waits for its next attempt needs another message.
        """
        await self._believe(job_ids, now, Job.started_at.is_(None))

    async def sent(self, job_ids: Sequence[uuid.UUID], now: datetime) -> None:
        """The broker has messages for these jobs, which were due at `now`."""
        await self._believe(job_ids, now, Job.send_after <= now)

    async def _believe(
        self, job_ids: Sequence[uuid.UUID], now: datetime, as_seen: ColumnElement[bool]
    ) -> None:
        await self._session.execute(
            update(Job)
            .where(Job.id.in_(job_ids), Job.state == JobState.queued, as_seen)
            .values(send_after=now + RESEND, sent=True)
            .execution_options(synchronize_session=False)
        )

    async def release_lost(self, now: datetime, max_attempts: int) -> None:
        """Requeue jobs whose worker fell silent."""
        await self._session.execute(
            update(Job)
            .where(Job.state == JobState.running, Job.lease_until < now, Job.attempts < max_attempts)
            .values(state=JobState.queued, lease_id=None, lease_until=None, send_after=now, sent=False)
            .execution_options(synchronize_session=False)
        )

    async def fail_lost(self, now: datetime, max_attempts: int) -> Sequence[Message]:
        """Fail those that lost their workers too often; their messages belong in the dead-letter queue."""
        rows = await self._session.execute(
            update(Job)
            .where(Job.state == JobState.running, Job.lease_until < now, Job.attempts >= max_attempts)
            .values(
                state=JobState.failed,
                error_code="worker_lost",
                error_message=LOST.format(attempts=max_attempts),
                lease_id=None,
                lease_until=None,
                finished_at=now,
            )
            .returning(Job.queue, Job.kind, Job.id)
            .execution_options(synchronize_session=False)
        )
        return [Message(*row) for row in rows]

    async def orphan_all(self, now: datetime) -> None:
        """After a restart of a process that held the queue: no message is left and no worker runs."""
        await self._session.execute(
            update(Job).where(Job.state == JobState.running).values(lease_until=now - timedelta(seconds=1))
        )
        await self._session.execute(
            update(Job).where(Job.state == JobState.queued).values(send_after=now, sent=False)
        )

    async def expire(self, now: datetime) -> Sequence[str]:
        """Forget what finished jobs were about; returns the keys of results to delete from the store."""
        old = (
            select(Job.id, Job.result_key)
            .where(Job.state.in_(FINISHED), Job.expires_at <= now, Job.finished_at <= now - LEAST_KEPT)
            .limit(BATCH)
        )
        rows = (await self._session.execute(old)).all()
        ids = [row.id for row in rows]
        await self._session.execute(delete(Webhook).where(Webhook.job_id.in_(ids)))
        await self._session.execute(
            update(Job)
            .where(Job.id.in_(ids))
            .values(
                state=JobState.expired,
                request={},
                result=None,
                result_key=None,
                error_message=None,
                # The key is free again: there is no answer left that it could repeat.
                idempotency_key=None,
                fingerprint=None,
            )
            .execution_options(synchronize_session=False)
        )
        return [row.result_key for row in rows if row.result_key]

    async def bury_expired(self, now: datetime) -> None:
        """Delete the rows of jobs that expired long ago."""
        await self._session.execute(
            delete(Job).where(Job.state == JobState.expired, Job.expires_at <= now - TOMBSTONE)
        )
