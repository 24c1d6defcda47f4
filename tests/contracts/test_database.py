"""Transactions: all or nothing, also when whoever began one is stopped in the middle."""

import asyncio
import contextlib
import time
from collections.abc import Callable

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from stentor_common.clock import ManualClock
from stentor_common.db import Database
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.testing import new_job


async def add(db: Database, clock: ManualClock) -> None:
    async with db.transaction() as session:
        await JobRepository(session).add(new_job(), owner_id=None, now=clock.now())


async def count(db: Database) -> int:
    async with db.reading() as session:
        return await session.scalar(select(func.count()).select_from(Job)) or 0


async def test_what_failed_leaves_nothing(db: Database, clock: ManualClock) -> None:
    with contextlib.suppress(ZeroDivisionError):
        async with db.transaction() as session:
            await JobRepository(session).add(new_job(), owner_id=None, now=clock.now())
            raise ZeroDivisionError
    assert await count(db) == 0
    await add(db, clock)
    assert await count(db) == 1


async def test_nobody_sees_what_is_not_committed(
    db: Database, connect: Callable[[], Database], clock: ManualClock
) -> None:
    other = connect()
    async with db.transaction() as session:
        await JobRepository(session).add(new_job(), owner_id=None, now=clock.now())
        assert await count(other) == 0
        assert await count(db) == 0
    assert await count(other) == 1


async def test_writers_wait_for_each_other_and_none_fails(
    connect: Callable[[], Database], clock: ManualClock
) -> None:
    databases = [connect() for _ in range(2)]
    await asyncio.gather(*(add(databases[n % 2], clock) for n in range(40)))
    assert await count(databases[0]) == 40


async def test_a_write_that_is_cancelled_holds_nobody_up(db: Database, clock: ManualClock) -> None:
    """Heartbeats and sweeps are cancelled at any moment of a transaction."""
    for turns in range(60):
        task = asyncio.create_task(add(db, clock))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        began = time.monotonic()
        await add(db, clock)
        assert time.monotonic() - began < 2


async def test_a_write_that_was_to_return_rows_and_is_cancelled_holds_nobody_up(
    db: Database, clock: ManualClock
) -> None:
    """Its cursor has not come to its end, and lives as long as somebody holds the error."""
    errors: list[object] = []

    async def cancel_all() -> None:
        change = update(Job).values(state=JobState.cancelled).returning(Job.id)
        async with db.transaction() as session:
            (await session.execute(change)).all()

    for step in range(150):
        await add(db, clock)
        task, until = asyncio.create_task(cancel_all()), time.monotonic() + step / 20_000
        while time.monotonic() < until:  # noqa: ASYNC110 - any moment may be the one
            await asyncio.sleep(0)
        task.cancel()
        errors += await asyncio.gather(task, return_exceptions=True)
    began = time.monotonic()
    await add(db, clock)
    assert time.monotonic() - began < 2


async def test_a_read_that_is_cancelled_holds_nobody_up(db: Database, clock: ManualClock) -> None:
    for turns in range(60):
        task = asyncio.create_task(count(db))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(2):
        assert await count(db) == 0
        await add(db, clock)


async def test_a_statement_that_fails_leaves_the_database_usable(db: Database, clock: ManualClock) -> None:
    job = new_job()
    for _ in range(12):
        with contextlib.suppress(IntegrityError):
            async with db.transaction() as session:
                await JobRepository(session).add(job, owner_id=None, now=clock.now())
    assert await count(db) == 1
    await add(db, clock)
