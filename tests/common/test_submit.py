"""Accepting a job: once, within the limit, and without waiting for oneself."""

import asyncio
import dataclasses
import uuid

import pytest

from stentor_common.auth import Caller
from stentor_common.errors import Throttled
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.settings import Settings
from stentor_common.testing import new_job
from stentor_common.throttle import open_throttle

STRANGER = Caller("203.0.113.9")


@pytest.fixture
def counted_in_database(runtime: Runtime) -> Runtime:
    """As in a cluster; SQLite has one connection that writes, so whoever holds it must not need another."""
    shared = Settings(queue_url="amqp://elsewhere", anonymous_jobs_per_minute=3)
    return dataclasses.replace(runtime, throttle=open_throttle(shared, runtime.db))


async def made(runtime: Runtime, key: str | None) -> tuple[Job, bool]:
    new = new_job(idempotency_key=key, fingerprint="same")
    async with runtime.begin() as work:
        return await submit(runtime, work, STRANGER, new)


@pytest.mark.parametrize("with_key", [True, False])
async def test_counting_needs_no_second_connection(counted_in_database: Runtime, with_key: bool) -> None:
    async with asyncio.timeout(5):
        found = await asyncio.gather(
            *(made(counted_in_database, uuid.uuid4().hex if with_key else None) for _ in range(6)),
            return_exceptions=True,
        )
    assert len([each for each in found if isinstance(each, Throttled)]) == 3
    assert len([each for each in found if isinstance(each, tuple)]) == 3


async def test_a_repeated_request_does_not_count(counted_in_database: Runtime) -> None:
    async with asyncio.timeout(5):
        found = [await made(counted_in_database, "key") for _ in range(6)]
    assert [new for _, new in found] == [True, *[False] * 5]
    assert len({job.id for job, _ in found}) == 1
