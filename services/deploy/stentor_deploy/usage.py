"""Who called what how often: what the gateways of all processes count, added up by the hour."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_deploy.ground import Ground
from stentor_deploy.repository import RevisionRepository
from stentor_deploy.serving.usage import Used
from stentor_deploy.tables import ANYBODY, DeploymentUsage, Revision


@dataclass(frozen=True, slots=True)
class Hour:
    """Calls to a revision in an hour."""

    hour: datetime
    revision_id: uuid.UUID
    calls: int
    errors: int
    seconds: float


class UsageRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, hour: datetime, used: Sequence[Used]) -> None:
        """Add to what is there; revisions that are gone meanwhile are passed over."""
        ids = {each.revision_id for each in used}
        there = set(await self._session.scalars(select(Revision.id).where(Revision.id.in_(ids))))
        for each in used:
            if each.revision_id in there:
                await self._add(hour, each)

    async def _add(self, hour: datetime, used: Used) -> None:
        # SQLite understands the same statement.
        new = insert(DeploymentUsage).values(
            hour=hour,
            revision_id=used.revision_id,
            user_id=used.user_id or ANYBODY,
            token_id=used.token_id or ANYBODY,
            calls=used.calls,
            errors=used.failed,
            seconds=used.seconds,
        )
        await self._session.execute(
            new.on_conflict_do_update(
                index_elements=["hour", "revision_id", "user_id", "token_id"],
                set_={
                    name: getattr(DeploymentUsage, name) + getattr(new.excluded, name)
                    for name in ("calls", "errors", "seconds")
                },
            )
        )

    async def by_hour(self, revision_ids: Sequence[uuid.UUID], since: datetime) -> Sequence[Hour]:
        """Of these revisions, all callers together, oldest first."""
        sums = [func.sum(getattr(DeploymentUsage, name)) for name in ("calls", "errors", "seconds")]
        rows = await self._session.execute(
            select(DeploymentUsage.hour, DeploymentUsage.revision_id, *sums)
            .where(DeploymentUsage.revision_id.in_(revision_ids), DeploymentUsage.hour >= since)
            .group_by(DeploymentUsage.hour, DeploymentUsage.revision_id)
            .order_by(DeploymentUsage.hour)
        )
        return [Hour(row[0], row[1], int(row[2]), int(row[3]), float(row[4])) for row in rows]


class UsageLedger:
    """Where gateways write down what was used: the database, for all processes together."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground

    async def write(self, used: Sequence[Used]) -> None:
        if not used:
            return
        runtime = self._ground.runtime
        now = runtime.clock.now()
        async with runtime.db.transaction() as session:
            await UsageRepository(session).add(now.replace(minute=0, second=0, microsecond=0), used)
            await RevisionRepository(session).used({each.revision_id for each in used}, now)

    async def idle_seconds(self, revision_id: uuid.UUID) -> float:
        runtime = self._ground.runtime
        async with runtime.db.reading() as session:
            used_at = await session.scalar(select(Revision.used_at).where(Revision.id == revision_id))
        return (runtime.clock.now() - used_at).total_seconds() if used_at else math.inf
