"""Signals: who waits for a job hears of its changes, whichever process makes them."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest

from stentor_common.adapters import resolve
from stentor_common.signals import SIGNALS, Change, Signals, Subscription
from stentor_common.signals.memory import MemorySignals

if TYPE_CHECKING:
    from stentor_dev.servers import Servers

SECONDS = 5
"""Longer than any signal takes, shorter than a test may."""


@pytest.fixture(params=["memory", pytest.param("postgresql", marks=pytest.mark.live)])
async def ends(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Signals, Signals]]:
    """Where changes are announced, and where one waits; apart as far as the kind can be."""
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            both: Signals = MemorySignals()
            yield both, both
            return
        url = cast("Servers", request.getfixturevalue("servers")).database_url()
        opened: list[Any] = [resolve(SIGNALS, request.param)(url) for _ in range(2)]
        for each in opened:
            stack.push_async_callback(each.close)
        await listening(*opened)
        yield opened[0], opened[1]


async def listening(near: Signals, far: Signals) -> None:
    """Return once both are connected: what is announced before may get lost."""
    job_id = uuid.uuid4()
    for here, there in ((near, far), (far, near)):
        with there.subscribe(job_id) as subscription:
            while not await heard(subscription, seconds=0.05):
                here.announce([Change(job_id)])


async def heard(subscription: Subscription, *, seconds: float = SECONDS) -> bool:
    began = time.monotonic()
    await subscription.wait(seconds)
    return time.monotonic() - began < seconds


async def test_a_change_wakes_who_waits(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    job_id = uuid.uuid4()
    with far.subscribe(job_id) as subscription:
        waiting = asyncio.create_task(heard(subscription))
        await asyncio.sleep(0)
        near.announce([Change(job_id)])
        assert await waiting


async def test_a_change_before_the_wait_is_not_missed(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    job_id = uuid.uuid4()
    with far.subscribe(job_id) as subscription:
        near.announce([Change(job_id)])
        assert await heard(subscription)
        assert not await heard(subscription, seconds=0.05)


async def test_all_who_wait_hear_it(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    job_id = uuid.uuid4()
    with far.subscribe(job_id) as one, far.subscribe(job_id) as other, near.subscribe(job_id) as third:
        near.announce([Change(job_id)])
        assert all(await asyncio.gather(*map(heard, (one, other, third))))


async def test_other_jobs_are_not_heard(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    with far.subscribe(uuid.uuid4()) as subscription:
        near.announce([Change(uuid.uuid4())])
        assert not await heard(subscription, seconds=0.1)


async def test_who_waits_for_the_end_hears_only_that(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    job_id = uuid.uuid4()
    with far.subscribe(job_id, only_end=True) as subscription:
        near.announce([Change(job_id)])
        assert not await heard(subscription, seconds=0.1)
        near.announce([Change(job_id, ended=True)])
        assert await heard(subscription)


async def test_all_who_wait_in_a_process_that_ends_look_for_themselves(ends: tuple[Signals, Signals]) -> None:
    _, far = ends
    with far.subscribe(uuid.uuid4()) as one, far.subscribe(uuid.uuid4(), only_end=True) as other:
        far.wake()
        assert all(await asyncio.gather(*map(heard, (one, other))))


async def test_many_changes_at_once_all_arrive(ends: tuple[Signals, Signals]) -> None:
    near, far = ends
    ids = [uuid.uuid4() for _ in range(200)]
    with ExitStack() as stack:
        subscriptions = [stack.enter_context(far.subscribe(job_id)) for job_id in ids]
        near.announce(map(Change, ids))
        assert all(await asyncio.gather(*map(heard, subscriptions)))


@pytest.mark.live
async def test_signals_come_back_after_the_database_was_away(servers: "Servers") -> None:
    from stentor_dev import databases

    url = servers.database_url()
    signals: Signals = resolve(SIGNALS, "postgresql")(url)
    try:
        await listening(signals, signals)
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        databases.execute(url, f"{others} AND datname = current_database()")
        async with asyncio.timeout(10):
            await listening(signals, signals)
    finally:
        await signals.close()
