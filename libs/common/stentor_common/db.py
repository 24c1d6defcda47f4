"""Engine, sessions and the declarative base that all tables share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


class UtcDateTime(TypeDecorator[datetime]):
    """A time with zone UTC on every database; SQLite keeps no zone, so it is put back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Database:
    """Owns the engines. `transaction` is the only place in the project that commits.

    SQLite lets one connection write at a time. A pool of one connection makes writers wait for each
    other here, in order, instead of failing with "database is locked"; readers have their own.
    """

    def __init__(self, url: str, *, pool: int = 10) -> None:
        self.sqlite = url.startswith("sqlite")
        self.engine = _sqlite(url, "BEGIN IMMEDIATE", 1) if self.sqlite else _server(url, pool)
        self._readers = _sqlite(url, "BEGIN", 4) if self.sqlite else self.engine
        self._write = async_sessionmaker(self.engine, expire_on_commit=False)
        self._read = async_sessionmaker(self._readers, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits when the block ends well, rolls back when it raises."""
        async with self._write() as session, session.begin():
            yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For looking only: what is changed in it is dropped."""
        async with self._read() as session:
            yield session

    async def close(self) -> None:
        await self.engine.dispose()
        await self._readers.dispose()


def _server(url: str, pool: int) -> AsyncEngine:
    return create_async_engine(url, pool_size=pool, max_overflow=0, pool_pre_ping=True)


def _sqlite(url: str, begin: str, pool: int) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=pool, max_overflow=0, pool_timeout=60)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver must not open transactions by itself: `begin` below does, and says which kind.
        connection.isolation_level = None
        cursor = connection.cursor()
        # NORMAL with a write-ahead log survives the death of the process; only power loss may cost
        # the newest commits.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
