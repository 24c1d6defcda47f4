"""All queries on the table of text to speech."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.jobs.leases import Lease
from stentor_common.jobs.table import Job, JobState
from stentor_tts.tables import Sound

BATCH = 200
ENDED_WITHOUT = (JobState.failed, JobState.cancelled, JobState.expired)
"""States in which a job has no sound."""

UNCLAIMED = and_(Sound.job_id.is_(None), Sound.cache_key.is_(None))


class SoundRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, sound: Sound) -> None:
        self._session.add(sound)

    async def complete(self, sound_id: uuid.UUID, size_bytes: int, facts: dict[str, Any]) -> bool:
        """All of it is there. False: nobody wants it any more."""
        done = await self._session.execute(
            update(Sound)
            .where(Sound.id == sound_id, ~UNCLAIMED)
            .values(size_bytes=size_bytes, facts=facts)
            .returning(Sound.id)
        )
        return done.scalar() is not None

    async def holds(self, lease: Lease) -> bool:
        """Whether the job is still this run's, which it stays until the transaction's end."""
        held = select(Job.id).where(
            Job.id == lease.job_id, Job.lease_id == lease.id, Job.state == JobState.running
        )
        return await self._session.scalar(held.with_for_update(read=True)) is not None

    async def of_job(self, job_id: uuid.UUID) -> Sound | None:
        """The sound of a job; None while there is none."""
        query = select(Sound).where(Sound.job_id == job_id, Sound.size_bytes.is_not(None)).limit(1)
        found: Sound | None = await self._session.scalar(query)
        return found

    async def cached(self, cache_keys: Collection[str], since: datetime) -> Sound | None:
        """Sound under one of the keys, used last at `since` or later unless a job keeps it. It stays until
        the transaction's end."""
        fresh = or_(Sound.job_id.is_not(None), Sound.used_at >= since)
        complete = Sound.size_bytes.is_not(None)
        query = select(Sound).where(Sound.cache_key.in_(cache_keys), complete, fresh)
        newest = query.order_by(Sound.used_at.desc()).limit(1).with_for_update(read=True)
        found: Sound | None = await self._session.scalar(newest)
        return found

    async def used(self, sound_id: uuid.UUID, now: datetime) -> None:
        await self._session.execute(update(Sound).where(Sound.id == sound_id).values(used_at=now))

    async def release(self, which: ColumnElement[bool]) -> None:
        """Give claims up. What nobody claims is not found any more, and `unclaimed` until it is deleted."""
        await self._session.execute(
            update(Sound)
            .where(which)
            .values(job_id=None, cache_key=None)
            .execution_options(synchronize_session=False)
        )

    async def release_orphans(self) -> None:
        """Those of jobs that are deleted, or ended without sound."""
        kept = select(Job.id).where(Job.id == Sound.job_id, Job.state.not_in(ENDED_WITHOUT)).exists()
        await self.release(and_(Sound.job_id.is_not(None), ~kept))

    async def release_old(self, since: datetime) -> None:
        """Those in the cache that were used before."""
        await self.release(and_(Sound.job_id.is_(None), Sound.used_at < since))

    async def release_beyond(self, budget_bytes: int) -> None:
        """Those in the cache used longest ago, until the others fit into the budget."""
        in_cache = (Sound.job_id.is_(None), Sound.cache_key.is_not(None), Sound.size_bytes.is_not(None))
        newest_first = func.sum(Sound.size_bytes).over(order_by=(Sound.used_at.desc(), Sound.id))
        filled = select(Sound.id, newest_first.label("filled")).where(*in_cache).subquery()
        beyond = select(filled.c.id).where(filled.c.filled > budget_bytes)
        await self.release(Sound.id.in_(beyond))

    async def unclaimed(self) -> Sequence[Sound]:
        return (await self._session.scalars(select(Sound).where(UNCLAIMED).limit(BATCH))).all()

    async def claimed(self, store_keys: Collection[str]) -> set[str]:
        """Which of these objects somebody still has a claim to."""
        query = select(Sound.store_key).where(Sound.store_key.in_(store_keys), ~UNCLAIMED)
        return set(await self._session.scalars(query))

    async def delete(self, sound_ids: Collection[uuid.UUID]) -> None:
        await self._session.execute(delete(Sound).where(Sound.id.in_(sound_ids)))
