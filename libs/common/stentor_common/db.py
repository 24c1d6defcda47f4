"""Engine, sessions and the declarative base that all tables share."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator, event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from stentor_common.adapters import Adapter, resolve
from stentor_common.errors import Unavailable

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

AUTOCOMMIT = "AUTOCOMMIT"

DRIVERS = {"postgresql": Adapter("asyncpg:PostgresError", extra="cluster")}
"""A driver's own errors, which pass through SQLAlchemy unchanged while a connection is made."""

log = structlog.get_logger()


class DatabaseUnavailable(Unavailable):
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("the database does not answer; try again in a moment", headers={"Retry-After": "5"})


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
        self.engine = _sqlite_writer(url) if self.sqlite else _server(url, pool)
        # Looking needs no transaction: one statement less before and after each question.
        self._readers = (
            _sqlite(url, 4, isolation_level=AUTOCOMMIT, skip_autocommit_rollback=True)
            if self.sqlite
            else self.engine.execution_options(isolation_level=AUTOCOMMIT)
        )
        # SQLite's own error comes from where the library below does not wrap it: where a transaction begins.
        driver = sqlite3.OperationalError if self.sqlite else resolve(DRIVERS, "postgresql")
        self._away = (OperationalError, InterfaceError, PoolTimeout, OSError, driver)
        self._write = async_sessionmaker(self.engine, expire_on_commit=False)
        self._read = async_sessionmaker(self._readers, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Commits when the block ends well, rolls back when it raises."""
        with self.told_apart():
            async with self._write() as session, session.begin():
                yield session

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """For looking only. Each statement sees what is committed when it runs."""
        with self.told_apart():
            async with self._read() as session:
                yield session

    @contextmanager
    def told_apart(self) -> Iterator[None]:
        """Raises DatabaseUnavailable for a database that is away, whatever the libraries call that; other
        errors, such as a constraint that does not hold, pass unchanged."""
        try:
            yield
        except (DBAPIError, *self._away) as error:
            # A server that starts or stops says so in an error without a class of its own.
            if type(error) is not DBAPIError and not isinstance(error, self._away):
                raise
            log.warning("the database does not answer", reason=str(error))
            raise DatabaseUnavailable from error

    async def close(self) -> None:
        await self.engine.dispose()
        await self._readers.dispose()


def _server(url: str, pool: int) -> AsyncEngine:
    return create_async_engine(url, pool_size=pool, max_overflow=0, pool_pre_ping=True, hide_parameters=True)


def _sqlite(url: str, pool: int, **options: Any) -> AsyncEngine:
    # Sessions end what they began, so the pool need not roll back once more: each call to SQLite is a
    # trip to another thread.
    engine = create_async_engine(
        url,
        pool_size=pool,
        max_overflow=0,
        pool_timeout=60,
        pool_reset_on_return=None,
        hide_parameters=True,
        **options,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        # The driver must not open transactions by itself, in the middle of ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        # NORMAL with a write-ahead log survives the death of the process; only power loss may cost
        # the newest commits.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _sqlite_writer(url: str) -> AsyncEngine:
    """One connection. It takes the write lock when a transaction begins, not in its middle, where the
    wait for another process could only end in failure."""
    engine = _sqlite(url, 1)

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Any) -> None:
        try:
            connection.connection.dbapi_connection.run_async(lambda raw: raw.execute("BEGIN IMMEDIATE"))
        except BaseException:
            # Whoever waited was cancelled, but the statement runs on in its thread: the connection would
            # come back with a transaction that nobody ends.
            connection.invalidate()
            raise

    @event.listens_for(engine.sync_engine, "invalidate")
    def let_go(connection: Any, _: Any, __: Any) -> None:
        # While a cursor of it is held anywhere, by a traceback for example, a connection that is closed keeps
        # its transaction, and with it the lock.
        with suppress(Exception):
            connection.rollback()

    return engine
