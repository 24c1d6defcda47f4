"""Wishes for models: made anywhere, carried out by the workers that have them, pinned ones for good."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from stentor_common.clock import ManualClock
from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care, EngineSlot
from stentor_common.errors import Unavailable
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_common.wishes import MODELS_CHANGED, WishKeeper, WishRepository
from stentor_common.worker import run_worker


class Engine:
    broken = False

    def load(self) -> None:
        if self.broken:
            raise Unavailable("no weights")

    def unload(self) -> None: ...


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def room(engine: Engine, clock: ManualClock) -> EngineRoom[Engine]:
    made = EngineRoom[Engine](clock=clock)
    made.add("base", lambda: engine, Care(idle_seconds=0))
    return made


@pytest.fixture
def slot(room: EngineRoom[Engine]) -> EngineSlot[Engine]:
    return room.slots["base"]


@pytest.fixture
async def keeper(runtime: Runtime, room: EngineRoom[Engine]) -> WishKeeper:
    """Has looked once, so what comes now is new."""
    made = WishKeeper(runtime, room.slots)
    await made.look()
    return made


async def load(runtime: Runtime, *, pin: bool | None = None, model: str = "base") -> None:
    async with runtime.begin() as work:
        await WishRepository(work.session).load(model, runtime.clock.now(), pin=pin)
        work.announce(MODELS_CHANGED)


async def unload(runtime: Runtime) -> None:
    async with runtime.begin() as work:
        await WishRepository(work.session).unload("base", runtime.clock.now())


async def test_a_model_is_loaded_pinned_and_unloaded(
    runtime: Runtime, keeper: WishKeeper, slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    await load(runtime, pin=True)
    await keeper.look()
    assert (slot.loaded, slot.pinned) == (True, True)
    clock.advance(seconds=1)
    await unload(runtime)
    await keeper.look()
    assert (slot.loaded, slot.pinned) == (False, False)


async def test_a_wish_that_says_nothing_of_pinning_changes_nothing_about_it(
    runtime: Runtime, keeper: WishKeeper, slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    for pin, pinned in ((None, False), (True, True), (None, True), (False, False)):
        clock.advance(seconds=1)
        await load(runtime, pin=pin)
        await keeper.look()
        assert slot.pinned == pinned


async def test_a_wish_is_carried_out_once(
    runtime: Runtime, keeper: WishKeeper, slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    await load(runtime)
    await keeper.look()
    await slot.unload()
    await keeper.look()
    assert not slot.loaded


async def test_what_is_pinned_is_loaded_by_workers_that_start_later_and_again_when_it_was_lost(
    runtime: Runtime, room: EngineRoom[Engine], slot: EngineSlot[Engine]
) -> None:
    await load(runtime, pin=True)
    late = WishKeeper(runtime, room.slots)
    await late.look()
    assert (slot.loaded, slot.pinned) == (True, True)
    await slot.give_up()
    await late.look()
    assert slot.loaded


async def test_other_wishes_are_none_of_a_later_workers_business(
    runtime: Runtime, room: EngineRoom[Engine], slot: EngineSlot[Engine]
) -> None:
    await load(runtime)
    await WishKeeper(runtime, room.slots).look()
    assert not slot.loaded
    await slot.load(pin=True)
    await unload(runtime)
    await WishKeeper(runtime, room.slots).look()
    assert slot.loaded


async def test_a_model_in_use_is_kept(
    runtime: Runtime, keeper: WishKeeper, slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    async with slot.borrow():
        await unload(runtime)
        await keeper.look()
        assert slot.loaded


async def test_models_of_other_workers_are_left_to_them(
    runtime: Runtime, keeper: WishKeeper, slot: EngineSlot[Engine]
) -> None:
    await load(runtime, model="large")
    await keeper.look()
    assert not slot.loaded


async def test_a_model_that_cannot_be_loaded_is_no_harm(
    runtime: Runtime, keeper: WishKeeper, engine: Engine, slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    engine.broken = True
    await load(runtime, pin=True)
    await keeper.look()
    assert not slot.loaded
    engine.broken = False
    clock.advance(seconds=timedelta(minutes=2).total_seconds())
    await keeper.look()
    assert (slot.loaded, slot.pinned) == (True, True)


@asynccontextmanager
async def working(runtime: Runtime, room: EngineRoom[Engine]) -> AsyncIterator[None]:
    worker = asyncio.create_task(run_worker(runtime, [Service(name="test", engines=room)]))
    try:
        yield
    finally:
        runtime.stopping.set()
        await worker


async def test_a_worker_hears_of_a_wish_at_once(
    runtime: Runtime, room: EngineRoom[Engine], slot: EngineSlot[Engine], clock: ManualClock
) -> None:
    async def looked() -> bool:
        return room.at_work

    async def loaded() -> bool:
        return slot.loaded

    async with working(runtime, room):
        await eventually(looked)
        clock.advance(seconds=1)
        await load(runtime, pin=True)
        await eventually(loaded)
