"""What the operator wants of models: written down by the process that is told, carried out by workers."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Boolean, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.catalog import REPORT_SECONDS
from stentor_common.db import Base, UtcDateTime
from stentor_common.engines import EngineInUse, EngineSlot
from stentor_common.errors import AppError
from stentor_common.runtime import Runtime
from stentor_common.service import Service

MODELS_CHANGED = uuid.UUID("6d6f6465-6c73-4000-8000-000000000000")
"""A wish that was made, or carried out, is announced under this id, like a job that changed."""

log = structlog.get_logger()


class ModelWish(Base):
    """The last wish for a model. One to pin it holds until the next; any other is done with once."""

    __tablename__ = "model_wish"

    model: Mapped[str] = mapped_column(String(200), primary_key=True)
    wanted: Mapped[bool] = mapped_column(Boolean)
    """True to have it loaded, false to have it unloaded."""
    pinned: Mapped[bool] = mapped_column(Boolean)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WishRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def load(self, model: str, now: datetime, *, pin: bool | None) -> None:
        """Have it loaded; `pin` None leaves it pinned or not."""
        before = await self._session.get(ModelWish, model)
        pinned = bool(before and before.wanted and before.pinned) if pin is None else pin
        await self._session.merge(ModelWish(model=model, wanted=True, pinned=pinned, changed_at=now))

    async def unload(self, model: str, now: datetime) -> None:
        await self._session.merge(ModelWish(model=model, wanted=False, pinned=False, changed_at=now))

    async def all(self) -> Sequence[ModelWish]:
        return list(await self._session.scalars(select(ModelWish).order_by(ModelWish.model)))


class WishKeeper:
    """Carries out wishes in a worker: those made while it runs, and what was to be pinned before."""

    def __init__(self, runtime: Runtime, slots: Mapping[str, EngineSlot[Any]]) -> None:
        self._runtime = runtime
        self._slots = slots
        self._seen: dict[str, datetime] | None = None
        """When those wishes were made that are not new any more; None before the first look."""

    async def run(self) -> None:
        """Until cancelled."""
        with self._runtime.signals.subscribe(MODELS_CHANGED) as changed:
            while True:
                try:
                    await self.look()
                except Exception:
                    # A wish can wait; the worker must not end for it.
                    log.exception("wishes for models were not carried out")
                await changed.wait(REPORT_SECONDS)

    async def look(self) -> None:
        async with self._runtime.db.reading() as session:
            wishes = [wish for wish in await WishRepository(session).all() if wish.model in self._slots]
        seen, self._seen = self._seen, {wish.model: wish.changed_at for wish in wishes}
        new = {wish.model for wish in wishes if seen is not None and seen.get(wish.model) != wish.changed_at}
        acted = [wish.model for wish in wishes if await self._carry_out(wish, wish.model in new)]
        if acted:
            async with self._runtime.begin() as work:
                work.announce(MODELS_CHANGED)

    async def _carry_out(self, wish: ModelWish, new: bool) -> bool:
        """Whether there was something to do."""
        slot = self._slots[wish.model]
        try:
            if wish.wanted and (wish.pinned or new) and not (slot.loaded and slot.pinned == wish.pinned):
                await slot.load(pin=wish.pinned)
                return True
            if not wish.wanted and new and slot.loaded:
                await slot.unload()
                return True
        except EngineInUse as error:
            log.info("a model was not unloaded", model=wish.model, reason=error.message)
        except AppError as error:
            log.warning("a model was not loaded", model=wish.model, reason=error.message)
        return False


def slots_of(services: Iterable[Service]) -> dict[str, EngineSlot[Any]]:
    """The models of these services, by name."""
    rooms = [service.engines for service in services if service.engines]
    return {name: slot for room in rooms for name, slot in room.slots.items()}
