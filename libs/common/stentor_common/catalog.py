"""Which models and providers can be used: every process reports what it offers, anybody can read it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import JSON, Boolean, String, Text, Uuid, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime
from stentor_common.engines import EngineState
from stentor_common.errors import NotFound

REPORT_SECONDS = 20
FRESH = timedelta(seconds=3 * REPORT_SECONDS)
FORGET = timedelta(days=7)


class UnknownModel(NotFound):
    code = "model_not_found"

    def __init__(self, name: str, served: Sequence[str]) -> None:
        super().__init__(
            f"the model {name[:200]!r} is not served here; served are {', '.join(served) or 'none'}",
            param="model",
        )


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """What a model does, in one process or in all together."""

    state: EngineState = EngineState.idle
    pinned: bool = False
    """It stays in memory."""
    copies: int = 0
    """Processes that hold it."""
    memory_bytes: int | None = None
    """What it fills there; None when nobody can tell."""
    jobs: int = 0
    """Jobs and live sessions that it works for."""
    last_used: datetime | None = None
    source: str = ""
    """Where its weights come from: package, folder, hub cache, hub."""

    def with_copy(self, other: "ModelStatus") -> "ModelStatus":
        """Both processes together."""
        memory = [each for each in (self.memory_bytes, other.memory_bytes) if each is not None]
        used = [each for each in (self.last_used, other.last_used) if each is not None]
        return ModelStatus(
            state=max(self.state, other.state, key=list(EngineState).index),
            pinned=self.pinned or other.pinned,
            copies=self.copies + other.copies,
            memory_bytes=sum(memory) if memory else None,
            jobs=self.jobs + other.jobs,
            last_used=max(used, default=None),
            source=self.source or other.source,
        )


@dataclass(frozen=True, slots=True)
class Offer:
    """A provider, or one model of it, as one process sees it."""

    capability: str
    provider: str
    model: str
    """Empty for an outside provider that is asked by its own name."""
    available: bool
    reason: str
    """Why not, and what to do; empty when it is available."""
    status: ModelStatus = field(default_factory=ModelStatus)

    @property
    def loaded(self) -> bool:
        return self.status.state == EngineState.loaded

    @property
    def key(self) -> tuple[str, str, str]:
        return self.capability, self.provider, self.model


class OfferRow(Base):
    __tablename__ = "offer"

    process_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    capability: Mapped[str] = mapped_column(String(32), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    available: Mapped[bool] = mapped_column(Boolean)
    loaded: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(Text)
    status: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """None from a process of an earlier release."""
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class OfferRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def report(self, process_id: uuid.UUID, offers: Iterable[Offer], now: datetime) -> None:
        """Replace what this process said before; forget processes that are long gone."""
        old = (OfferRow.process_id == process_id) | (OfferRow.seen_at < now - FORGET)
        await self._session.execute(delete(OfferRow).where(old))
        self._session.add_all(
            OfferRow(
                process_id=process_id,
                capability=offer.capability,
                provider=offer.provider,
                model=offer.model,
                available=offer.available,
                loaded=offer.loaded,
                reason=offer.reason,
                status=_STATUS.dump_python(offer.status, mode="json"),
                seen_at=now,
            )
            for offer in offers
        )

    async def withdraw(self, process_id: uuid.UUID) -> None:
        """A process ends: what it has loaded is loaded no more."""
        rows = await self._session.scalars(select(OfferRow).where(OfferRow.process_id == process_id))
        for row in rows:
            row.loaded, row.seen_at = False, row.seen_at - FRESH

    async def known(
        self, now: datetime, own: Sequence[Offer] = (), process_id: uuid.UUID | None = None
    ) -> Sequence[Offer]:
        """Each offer once, in the best light any process puts it; a model with its status in all of them.

        `own` is what this process would report now, in place of what it reported last.
        """
        rows = await self._session.scalars(select(OfferRow).order_by(OfferRow.seen_at))
        found = [_as_seen(row, now) for row in rows if row.process_id != process_id]
        best: dict[tuple[str, str, str], Offer] = {}
        for offer in (*found, *own):
            other = best.get(offer.key)
            best[offer.key] = _together(other, offer) if other else offer
        return [best[key] for key in sorted(best)]


_STATUS = TypeAdapter(ModelStatus)


def _as_seen(row: OfferRow, now: datetime) -> Offer:
    status = _STATUS.validate_python(row.status) if row.status else ModelStatus()
    if now - row.seen_at <= FRESH:
        return Offer(row.capability, row.provider, row.model, row.available, row.reason, status)
    # Nobody there: whatever it held is gone.
    gone = ModelStatus(last_used=status.last_used, source=status.source)
    reason = row.reason
    if row.available:
        reason = f"no worker has reported it since {row.seen_at:%Y-%m-%d %H:%M} UTC"
    return Offer(row.capability, row.provider, row.model, False, reason, gone)


def _together(one: Offer, other: Offer) -> Offer:
    better = max(other, one, key=lambda offer: (offer.available, offer.loaded))
    return replace(better, status=one.status.with_copy(other.status))
