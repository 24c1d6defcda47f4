"""Which models and providers can be used: every process reports what it offers, anybody can read it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Boolean, String, Text, Uuid, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime

REPORT_SECONDS = 20
FRESH = timedelta(seconds=3 * REPORT_SECONDS)
FORGET = timedelta(days=7)


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
    loaded: bool = False


class OfferRow(Base):
    __tablename__ = "offer"

    process_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    capability: Mapped[str] = mapped_column(String(32), primary_key=True)
    provider: Mapped[str] = mapped_column(String(64), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    available: Mapped[bool] = mapped_column(Boolean)
    loaded: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(Text)
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
                seen_at=now,
            )
            for offer in offers
        )

    async def withdraw(self, process_id: uuid.UUID) -> None:
        """A process ends: what it has loaded is loaded no more."""
        rows = await self._session.scalars(select(OfferRow).where(OfferRow.process_id == process_id))
        for row in rows:
            row.loaded, row.seen_at = False, row.seen_at - FRESH

    async def known(self, now: datetime) -> Sequence[Offer]:
        """Each offer once, in the best light any process puts it."""
        best: dict[tuple[str, str, str], Offer] = {}
        for row in await self._session.scalars(select(OfferRow).order_by(OfferRow.seen_at)):
            offer = _as_seen(row, now)
            key = (offer.capability, offer.provider, offer.model)
            if key not in best or _rank(offer) >= _rank(best[key]):
                best[key] = offer
        return [best[key] for key in sorted(best)]


def _as_seen(row: OfferRow, now: datetime) -> Offer:
    asleep = row.available and now - row.seen_at > FRESH
    reason = f"no worker has reported it since {row.seen_at:%Y-%m-%d %H:%M} UTC" if asleep else row.reason
    return Offer(row.capability, row.provider, row.model, row.available and not asleep, reason, row.loaded)


def _rank(offer: Offer) -> tuple[bool, bool]:
    return offer.available, offer.loaded
