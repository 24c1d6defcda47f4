"""Queries on deployments and their revisions; those on logs, secrets and use are beside what they are for."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from stentor_common.auth import Caller
from stentor_common.errors import Conflict, NotFound
from stentor_deploy.states import RevisionState, sources
from stentor_deploy.tables import Deployment, Revision, RevisionEvent

SHOWN = 64
"""Characters of a name that is not known, when it is told again."""


class NoSuchDeployment(NotFound):
    code = "deployment_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no deployment {name[:SHOWN]!r}, or it is not yours")


class NoSuchRevision(NotFound):
    code = "revision_not_found"

    def __init__(self, name: str, revision: str) -> None:
        super().__init__(f"deployment {name!r} has no revision {revision[:SHOWN]!r}")


def id_in(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


class DeploymentRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, deployment: Deployment) -> None:
        self._session.add(deployment)

    async def find(self, name: str) -> Deployment:
        """By name or id, whoever asks. Raises NotFound."""
        known = id_in(name)
        found = await self._session.scalar(
            select(Deployment).where(Deployment.id == known if known else Deployment.name == name)
        )
        if found is None:
            raise NoSuchDeployment(name)
        return found

    async def owned(self, name: str, caller: Caller, *, to_change: bool = False) -> Deployment:
        """The caller's own; `to_change` keeps others from changing it until the transaction ends. Raises
        NotFound."""
        known = id_in(name)
        query = select(Deployment).where(
            Deployment.id == known if known else Deployment.name == name,
            Deployment.owner_id == caller.user_id,
        )
        found = await self._session.scalar(query.with_for_update() if to_change else query)
        if found is None:
            raise NoSuchDeployment(name)
        return found

    async def callable(self, name: str, caller: Caller) -> Deployment:
        """One that the caller may call: an own or a public one. Raises NotFound."""
        found = await self.find(name)
        if not (found.public or found.owner_id == caller.user_id):
            raise NoSuchDeployment(name)
        return found

    async def listed(self, caller: Caller, *, limit: int, after: Deployment | None) -> Sequence[Deployment]:
        """The caller's own, newest first."""
        query = select(Deployment).where(Deployment.owner_id == caller.user_id)
        if after is not None:
            query = query.where(tuple_(Deployment.created_at, Deployment.id) < (after.created_at, after.id))
        query = query.order_by(Deployment.created_at.desc(), Deployment.id.desc()).limit(limit)
        return (await self._session.scalars(query)).all()

    async def changes(self) -> Mapping[uuid.UUID, uuid.UUID]:
        """Of each deployment what tells its last change from others."""
        rows = await self._session.execute(select(Deployment.id, Deployment.changed))
        return {row.id: row.changed for row in rows}

    async def of_ids(self, ids: Collection[uuid.UUID]) -> Sequence[Deployment]:
        return (await self._session.scalars(select(Deployment).where(Deployment.id.in_(ids)))).all()

    async def touch(self, deployment_id: uuid.UUID, now: datetime) -> None:
        """Let all processes know that there is something new about it."""
        await self._session.execute(
            update(Deployment)
            .where(Deployment.id == deployment_id)
            .values(changed=uuid.uuid4(), updated_at=now)
        )

    async def delete(self, deployment_id: uuid.UUID) -> None:
        """With all that hangs on it."""
        await self._session.execute(delete(Deployment).where(Deployment.id == deployment_id))


class RevisionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, revision: Revision, now: datetime) -> None:
        self._session.add(revision)
        await self._session.flush()
        self._note(revision.id, RevisionState.queued, now)

    async def next_number(self, deployment_id: uuid.UUID) -> int:
        last = await self._session.scalar(
            select(func.max(Revision.number)).where(Revision.deployment_id == deployment_id)
        )
        return (last or 0) + 1

    async def get(self, revision_id: uuid.UUID) -> Revision:
        """Raises NotFound."""
        found = await self._session.get(Revision, revision_id)
        if found is None:
            raise NotFound("there is no such revision any more")
        return found

    async def with_deployment(self, revision: str) -> tuple[Revision, Deployment]:
        """By its id alone, whoever asks. Raises NotFound."""
        known = id_in(revision)
        query = select(Revision, Deployment).join(Deployment, Deployment.id == Revision.deployment_id)
        found = (await self._session.execute(query.where(Revision.id == known))).first() if known else None
        if found is None:
            raise NotFound(f"there is no model {revision[:SHOWN]!r}, or it is not yours")
        return found[0], found[1]

    async def of(self, deployment_id: uuid.UUID) -> Sequence[Revision]:
        """All of a deployment, oldest first."""
        query = select(Revision).where(Revision.deployment_id == deployment_id).order_by(Revision.number)
        return (await self._session.scalars(query)).all()

    async def newest(self, deployment_ids: Collection[uuid.UUID]) -> Mapping[uuid.UUID, Revision]:
        """Of each deployment the last one."""
        last = (
            select(Revision.deployment_id, func.max(Revision.number).label("number"))
            .where(Revision.deployment_id.in_(deployment_ids))
            .group_by(Revision.deployment_id)
            .subquery()
        )
        query = select(Revision).join(
            last, (Revision.deployment_id == last.c.deployment_id) & (Revision.number == last.c.number)
        )
        return {each.deployment_id: each for each in await self._session.scalars(query)}

    async def named(self, deployment: Deployment, revision: str) -> Revision:
        """By number or id. Raises NotFound."""
        query = select(Revision).where(Revision.deployment_id == deployment.id)
        if known := id_in(revision):
            query = query.where(Revision.id == known)
        elif revision.isascii() and revision.isdigit() and len(revision) < 10:
            query = query.where(Revision.number == int(revision))
        else:
            raise NoSuchRevision(deployment.name, revision)
        found = await self._session.scalar(query)
        if found is None:
            raise NoSuchRevision(deployment.name, revision)
        return found

    async def ready(self, deployment_ids: Collection[uuid.UUID]) -> Sequence[Revision]:
        """Those that can be called, by number."""
        query = (
            select(Revision)
            .where(Revision.deployment_id.in_(deployment_ids), Revision.state == RevisionState.ready)
            .options(defer(Revision.lock))
            .order_by(Revision.number)
        )
        return (await self._session.scalars(query)).all()

    async def move(
        self,
        revision_id: uuid.UUID,
        to: RevisionState,
        now: datetime,
        *,
        by: uuid.UUID | None = None,
        code: str | None = None,
        message: str | None = None,
        **values: Any,
    ) -> None:
        """`by` is the job that says so: one that another has taken the place of says nothing any more. Raises
        Conflict when it is in a state from which this is no move, or gone."""
        of_job = () if by is None else (Revision.job_id == by,)
        moved = await self._session.execute(
            update(Revision)
            .where(Revision.id == revision_id, Revision.state.in_(sources(to)), *of_job)
            .values(state=to, updated_at=now, reason_code=code, reason=message, **values)
            .returning(Revision.id)
        )
        if moved.scalar() is None:
            found = await self._session.get(Revision, revision_id, populate_existing=True)
            now_is = f"is {found.state}" if found else "is gone"
            raise Conflict(f"the revision {now_is} and cannot become {to}")
        self._note(revision_id, to, now, code, message)

    async def note_package(self, revision_id: uuid.UUID, **values: Any) -> None:
        """Keep what a build has found so far."""
        await self._session.execute(update(Revision).where(Revision.id == revision_id).values(**values))

    async def events(self, revision_id: uuid.UUID) -> Sequence[RevisionEvent]:
        query = select(RevisionEvent).where(RevisionEvent.revision_id == revision_id)
        return (await self._session.scalars(query.order_by(RevisionEvent.id))).all()

    async def used(self, revision_ids: Collection[uuid.UUID], now: datetime) -> None:
        """Somebody called them."""
        await self._session.execute(update(Revision).where(Revision.id.in_(revision_ids)).values(used_at=now))

    async def environments(self) -> set[str]:
        """Keys of those that a revision needs."""
        found = await self._session.scalars(
            select(Revision.environment).where(Revision.environment.is_not(None)).distinct()
        )
        return {key for key in found if key}

    async def ids(self) -> set[uuid.UUID]:
        return set(await self._session.scalars(select(Revision.id)))

    async def by_job(self, job_id: uuid.UUID) -> Revision | None:
        found: Revision | None = await self._session.scalar(select(Revision).where(Revision.job_id == job_id))
        return found

    async def under_way(self) -> Sequence[Revision]:
        """Those that a job works on, or should."""
        states = (RevisionState.queued, RevisionState.building, RevisionState.loading)
        return (await self._session.scalars(select(Revision).where(Revision.state.in_(states)))).all()

    async def delete(self, revision_id: uuid.UUID) -> None:
        await self._session.execute(delete(Revision).where(Revision.id == revision_id))

    def _note(
        self,
        revision_id: uuid.UUID,
        state: RevisionState,
        now: datetime,
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        self._session.add(
            RevisionEvent(revision_id=revision_id, at=now, state=state, code=code, message=message)
        )
