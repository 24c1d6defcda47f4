"""All queries on webhooks and their secrets."""

import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.errors import Conflict, NotFound
from stentor_common.jobs.table import FINISHED, Job
from stentor_common.webhooks.table import Webhook, WebhookSecret, WebhookState

LOGGED = 50
"""Latest attempts that are kept."""

LIVE_SECRETS = 2
"""One, and one that replaces it."""


class TooManySecrets(Conflict):
    code = "too_many_webhook_secrets"

    def __init__(self) -> None:
        super().__init__(
            f"you have {LIVE_SECRETS} webhook secrets; delete one that no receiver needs any more, "
            "at DELETE /v1/webhooks/secrets/{id}"
        )


@dataclass(frozen=True, slots=True)
class Accepted:
    """A webhook to be, checked and sealed."""

    owner_id: uuid.UUID
    style: str
    target: str


@dataclass(frozen=True, slots=True)
class Search:
    """Which webhooks a process looks for."""

    kinds: Collection[str]
    """Kinds of jobs that it can tell of."""
    limit: int
    per_owner: int
    """Nobody's slow servers must keep others waiting."""
    without: Collection[uuid.UUID] = ()
    """Owners who have enough under way."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an attempt."""

    state: WebhookState
    next_at: datetime
    logged: dict[str, Any]


class WebhookRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, job_id: uuid.UUID, accepted: Accepted, now: datetime) -> None:
        values = {
            "job_id": job_id,
            "owner_id": accepted.owner_id,
            "style": accepted.style,
            "target": accepted.target,
            "state": WebhookState.pending,
            "tries": 0,
            "next_at": now,
            "attempts": [],
        }
        await self._session.execute(insert(Webhook).values(values))

    async def of(self, job_id: uuid.UUID) -> Webhook | None:
        return await self._session.get(Webhook, job_id)

    async def due(self, search: Search, now: datetime) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
        """Jobs and owners of webhooks to be sent now, those waiting longest first."""
        turn = func.row_number().over(partition_by=Webhook.owner_id, order_by=Webhook.next_at)
        waiting = (
            select(Webhook.job_id, Webhook.owner_id, Webhook.next_at, turn.label("turn"))
            .join(Job, Job.id == Webhook.job_id)
            .where(Webhook.state == WebhookState.pending, Webhook.next_at <= now)
            .where(Job.state.in_(FINISHED), Job.kind.in_(search.kinds))
        )
        if search.without:
            waiting = waiting.where(Webhook.owner_id.not_in(search.without))
        ranked = waiting.subquery()
        rows = await self._session.execute(
            select(ranked.c.job_id, ranked.c.owner_id)
            .where(ranked.c.turn <= search.per_owner)
            .order_by(ranked.c.next_at)
            .limit(search.limit)
        )
        return [(job_id, owner_id) for job_id, owner_id in rows]

    async def due_among(
        self, job_ids: Collection[uuid.UUID], search: Search, now: datetime
    ) -> Sequence[tuple[uuid.UUID, uuid.UUID]]:
        """The same for some jobs, most of which have none: quick however many webhooks wait for others."""
        rows = await self._session.execute(
            select(Webhook.job_id, Webhook.owner_id, Webhook.state, Webhook.next_at, Job.kind, Job.state)
            .join(Job, Job.id == Webhook.job_id)
            .where(Webhook.job_id.in_(job_ids))
        )
        taken: Counter[uuid.UUID] = Counter()
        due = []
        for job_id, owner_id, state, next_at, kind, job_state in rows:
            waits = state == WebhookState.pending and next_at <= now and job_state in FINISHED
            if waits and kind in search.kinds and owner_id not in search.without:
                taken[owner_id] += 1
                if taken[owner_id] <= search.per_owner:
                    due.append((job_id, owner_id))
        return due[: search.limit]

    async def claim(self, job_id: uuid.UUID, now: datetime, duration: timedelta) -> Webhook | None:
        """Begin an attempt, which counts as dead after this long; None when another process has."""
        taken = await self._session.scalars(
            update(Webhook)
            .where(Webhook.job_id == job_id, Webhook.state == WebhookState.pending, Webhook.next_at <= now)
            .values(claim_id=uuid.uuid4(), next_at=now + duration, tries=Webhook.tries + 1)
            .returning(Webhook)
        )
        return taken.one_or_none()

    async def record(self, webhook: Webhook, ended: Ended) -> bool:
        """Write down what came of an attempt. False: it took so long that another one has begun."""
        done = await self._session.execute(
            update(Webhook)
            .where(Webhook.job_id == webhook.job_id, Webhook.claim_id == webhook.claim_id)
            .values(
                state=ended.state,
                next_at=ended.next_at,
                attempts=[*webhook.attempts, ended.logged][-LOGGED:],
                claim_id=None,
            )
            .returning(Webhook.job_id)
            .execution_options(synchronize_session=False)
        )
        return done.scalar() is not None

    async def redeliver(self, job_id: uuid.UUID, now: datetime) -> bool:
        """Have it sent again, from the first attempt on. False: it is being sent right now."""
        done = await self._session.execute(
            update(Webhook)
            .where(Webhook.job_id == job_id, or_(Webhook.claim_id.is_(None), Webhook.next_at <= now))
            .values(state=WebhookState.pending, tries=0, next_at=now, claim_id=None)
            .returning(Webhook.job_id)
            .execution_options(synchronize_session=False)
        )
        return done.scalar() is not None

    async def orphan_all(self, now: datetime) -> None:
        """After a restart of the only process: nothing is under way."""
        await self._session.execute(
            update(Webhook).where(Webhook.claim_id.is_not(None)).values(claim_id=None, next_at=now)
        )


class SecretRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def live(self, owner_id: uuid.UUID) -> Sequence[WebhookSecret]:
        """The owner's secrets, newest first."""
        query = select(WebhookSecret).where(WebhookSecret.owner_id == owner_id)
        return (await self._session.scalars(query.order_by(WebhookSecret.created_at.desc()))).all()

    async def add(self, owner_id: uuid.UUID, sealed: str, now: datetime) -> WebhookSecret:
        """Raises TooManySecrets."""
        taken = {secret.slot for secret in await self.live(owner_id)}
        free = [slot for slot in range(LIVE_SECRETS) if slot not in taken]
        if not free:
            raise TooManySecrets
        secret = WebhookSecret(
            id=uuid.uuid4(), owner_id=owner_id, slot=free[0], sealed=sealed, created_at=now
        )
        try:
            async with self._session.begin_nested():
                self._session.add(secret)
        except IntegrityError:
            # Another request took the slot at the same moment.
            raise TooManySecrets from None
        return secret

    async def remove(self, owner_id: uuid.UUID, secret_id: str) -> None:
        """Raises NotFound."""
        try:
            wanted = uuid.UUID(secret_id)
        except ValueError:
            wanted = uuid.UUID(int=0)
        gone = await self._session.execute(
            delete(WebhookSecret)
            .where(WebhookSecret.id == wanted, WebhookSecret.owner_id == owner_id)
            .returning(WebhookSecret.id)
        )
        if gone.scalar() is None:
            raise NotFound(f"you have no webhook secret {secret_id[:64]!r}")

    async def forget(self, owner_id: uuid.UUID) -> None:
        """Delete all secrets of somebody who is gone."""
        await self._session.execute(delete(WebhookSecret).where(WebhookSecret.owner_id == owner_id))
