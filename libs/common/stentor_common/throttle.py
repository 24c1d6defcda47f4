"""How much a caller may do in a minute, counted for all replicas together in the database.

The counting strategies are those of the `limits` library; this file gives them a table to count in.
"""

import time

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter
from sqlalchemy import String, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.auth import Caller
from stentor_common.db import Base, Database
from stentor_common.errors import Throttled
from stentor_common.settings import Settings

SIGN_INS = "sign-ins"

log = structlog.get_logger()


class RateCounter(Base):
    __tablename__ = "rate_counter"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    count: Mapped[int]
    expires: Mapped[float] = mapped_column(index=True)
    """Unix time in seconds."""


class Throttle:
    """Refuses what is too much with Throttled, which says when to come back."""

    def __init__(self, settings: Settings, limiter: RateLimiter) -> None:
        self._settings = settings
        self._limiter = limiter

    async def check_new_job(self, caller: Caller) -> None:
        """Raises Throttled if a new job would be refused; counts nothing."""
        await self._apply("new jobs", caller, self._jobs_allowed(caller), count=False)

    async def count_new_job(self, caller: Caller) -> None:
        await self._apply("new jobs", caller, self._jobs_allowed(caller), count=True)

    async def count_upload(self, caller: Caller) -> None:
        await self._apply("uploads", caller, self._jobs_allowed(caller), count=True)

    async def count_sign_in(self, caller: Caller) -> None:
        await self._apply(SIGN_INS, caller, self._settings.sign_ins_per_minute, count=True)

    def _jobs_allowed(self, caller: Caller) -> int:
        settings = self._settings
        return settings.caller_jobs_per_minute if caller.user_id else settings.anonymous_jobs_per_minute

    async def _apply(self, what: str, caller: Caller, allowed: int, *, count: bool) -> None:
        if not allowed or caller.on_behalf:
            return
        item = RateLimitItemPerMinute(allowed)
        act = self._limiter.hit if count else self._limiter.test
        if await act(item, what, caller.key):
            return
        window = await self._limiter.get_window_stats(item, what, caller.key)
        wait = max(1, round(window.reset_time - time.time()))
        helps = caller.user_id is None and what != SIGN_INS and not self._settings.caller_jobs_per_minute
        hint = "; with a token the limit does not apply: see POST /v1/tokens" if helps else ""
        raise Throttled(
            f"at most {allowed} {what} a minute; expected available in {wait} seconds{hint}",
            retry_after_seconds=wait,
        )


def open_throttle(settings: Settings, db: Database) -> Throttle:
    """Counts in memory when this process is the only one, else in the database."""
    if settings.embedded:
        return Throttle(settings, MovingWindowRateLimiter(MemoryStorage()))
    return Throttle(settings, FixedWindowRateLimiter(SqlStorage(db)))


class SqlStorage(Storage):
    """One row a key, one atomic upsert a hit; exact however many replicas count."""

    STORAGE_SCHEME = ["stentor+sql"]  # noqa: RUF012 - the library's own form

    def __init__(self, db: Database) -> None:
        super().__init__(None)
        self._db = db

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = time.time()
        over = RateCounter.expires <= now
        # SQLite understands the same statement.
        count = (
            insert(RateCounter)
            .values(key=key, count=amount, expires=now + expiry)
            .on_conflict_do_update(
                index_elements=[RateCounter.key],
                set_={
                    "count": case((over, amount), else_=RateCounter.count + amount),
                    "expires": case((over, now + expiry), else_=RateCounter.expires),
                },
            )
            .returning(RateCounter.count)
        )
        async with self._db.transaction() as session:
            return (await session.execute(count)).scalar_one()

    async def get(self, key: str) -> int:
        live = select(RateCounter.count).where(RateCounter.key == key, RateCounter.expires > time.time())
        async with self._db.reading() as session:
            return await session.scalar(live) or 0

    async def get_expiry(self, key: str) -> float:
        async with self._db.reading() as session:
            found = await session.scalar(select(RateCounter.expires).where(RateCounter.key == key))
        return found or time.time()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        async with self._db.transaction() as session:
            count = await session.scalar(select(func.count()).select_from(RateCounter))
            await session.execute(delete(RateCounter))
        return count

    async def clear(self, key: str) -> None:
        async with self._db.transaction() as session:
            await session.execute(delete(RateCounter).where(RateCounter.key == key))


async def purge_counters(db: Database) -> None:
    """Delete counters whose minute is over."""
    async with db.transaction() as session:
        await session.execute(delete(RateCounter).where(RateCounter.expires <= time.time()))
