"""Limits per minute: exact, by caller, and for all replicas together where they share a database."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import func, select, update

from stentor_common.auth import Caller
from stentor_common.db import Database
from stentor_common.errors import Throttled
from stentor_common.settings import Settings
from stentor_common.throttle import RateCounter, Throttle, open_throttle, purge_counters

ANN, BOB = Caller("203.0.113.1"), Caller("203.0.113.2")
USER = Caller("203.0.113.1", user_id=uuid.uuid4())
QUEUE_OF_ITS_OWN, QUEUE_OF_ALL = "memory:", "amqp://elsewhere"

Open = Callable[..., Throttle]


@pytest.fixture
async def open_replica(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Open]:
    """A throttle as one more process would open it, with its own connections."""
    async with AsyncExitStack() as stack:

        def make(**changed: int) -> Throttle:
            db = Database(database_url)
            stack.push_async_callback(db.close)
            return open_throttle(Settings(queue_url=QUEUE_OF_ALL, **changed), db)  # type: ignore[arg-type]

        yield make


@pytest.fixture(params=["shared", "memory"])
def throttle(request: pytest.FixtureRequest, open_replica: Open, db: Database) -> Throttle:
    if request.param == "shared":
        return open_replica()
    return open_throttle(Settings(queue_url=QUEUE_OF_ITS_OWN), db)


async def accepted(throttle: Throttle, caller: Caller, tries: int) -> int:
    async def attempt() -> bool:
        try:
            await throttle.count_new_job(caller)
        except Throttled:
            return False
        return True

    return sum(await asyncio.gather(*(attempt() for _ in range(tries))))


async def test_as_many_as_allowed_are_accepted_and_no_more(throttle: Throttle) -> None:
    assert await accepted(throttle, ANN, 25) == 10


async def test_who_is_refused_learns_when_to_come_back(throttle: Throttle) -> None:
    await accepted(throttle, ANN, 10)
    with pytest.raises(Throttled, match="at most 10 new jobs a minute") as refused:
        await throttle.count_new_job(ANN)
    assert 1 <= refused.value.retry_after_seconds <= 60
    assert refused.value.headers == {"Retry-After": str(refused.value.retry_after_seconds)}
    assert f"in {refused.value.retry_after_seconds} seconds" in refused.value.message


async def test_addresses_are_counted_apart(throttle: Throttle) -> None:
    assert await accepted(throttle, ANN, 11) == 10
    assert await accepted(throttle, BOB, 1) == 1


async def test_uploads_and_jobs_and_sign_ins_are_counted_apart(throttle: Throttle) -> None:
    await accepted(throttle, ANN, 10)
    for _ in range(10):
        await throttle.count_upload(ANN)
    await throttle.count_sign_in(ANN)
    with pytest.raises(Throttled, match="uploads"):
        await throttle.count_upload(ANN)


async def test_users_have_no_limit_unless_one_is_set(throttle: Throttle, open_replica: Open) -> None:
    assert await accepted(throttle, USER, 30) == 30
    assert await accepted(open_replica(caller_jobs_per_minute=3), USER, 30) == 3


async def test_zero_means_no_limit(open_replica: Open) -> None:
    assert await accepted(open_replica(anonymous_jobs_per_minute=0), ANN, 30) == 30


async def test_asking_counts_nothing(throttle: Throttle) -> None:
    for _ in range(20):
        await throttle.check_new_job(ANN)
    assert await accepted(throttle, ANN, 11) == 10
    with pytest.raises(Throttled):
        await throttle.check_new_job(ANN)


async def test_replicas_count_together(open_replica: Open) -> None:
    replicas = [open_replica() for _ in range(2)]
    counts = await asyncio.gather(*(accepted(replica, ANN, 20) for replica in replicas))
    assert sum(counts) == 10


async def test_a_new_minute_begins_at_zero(open_replica: Open, db: Database) -> None:
    throttle = open_replica()
    await accepted(throttle, ANN, 11)
    async with db.transaction() as session:
        await session.execute(update(RateCounter).values(expires=1.0))
    assert await accepted(throttle, ANN, 11) == 10


async def test_counters_of_the_past_are_deleted(open_replica: Open, db: Database) -> None:
    throttle = open_replica()
    await accepted(throttle, ANN, 1)
    await purge_counters(db)

    async def rows() -> int | None:
        async with db.reading() as session:
            return await session.scalar(select(func.count()).select_from(RateCounter))

    assert await rows() == 1
    async with db.transaction() as session:
        await session.execute(update(RateCounter).values(expires=1.0))
    await purge_counters(db)
    assert await rows() == 0
