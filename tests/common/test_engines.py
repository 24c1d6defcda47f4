"""Engines in memory: loaded once, shared, unloaded when nobody needs them, within a budget."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest

from stentor_common.clock import ManualClock
from stentor_common.engine_room import EngineRoom, NoRoom
from stentor_common.engines import Care, EngineInUse, EngineLost, EngineSlot, EngineState, LoadFailed
from stentor_common.testing import eventually

KEPT: Care["Engine"] = Care()


class Engine:
    """Counts; the first `failures` loads fail."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.loads = self.unloads = 0
        self.may_load = threading.Event()
        self.may_load.set()

    @property
    def in_memory(self) -> int:
        return self.loads - self.unloads

    def load(self) -> None:
        assert self.may_load.wait(5)
        if self.failures:
            self.failures -= 1
            raise OSError("no memory left")
        self.loads += 1

    def unload(self) -> None:
        self.unloads += 1


def slot_of(
    engine: Engine, care: Care[Engine] = KEPT, clock: ManualClock | None = None
) -> EngineSlot[Engine]:
    return EngineRoom[Engine](clock=clock).add("base", lambda: engine, care)


async def use(slot: EngineSlot[Engine]) -> Engine:
    async with slot.borrow() as engine:
        return engine


@asynccontextmanager
async def used(slot: EngineSlot[Engine]) -> AsyncIterator[None]:
    async with slot.borrow():
        yield


async def unloaded(slot: EngineSlot[Engine]) -> bool:
    return not slot.loaded


async def test_it_is_loaded_by_the_first_who_needs_it() -> None:
    engine = Engine()
    slot = slot_of(engine)
    assert (slot.loaded, engine.loads) == (False, 0)
    async with slot.borrow() as found:
        assert found is engine
    assert (slot.loaded, engine.loads) == (True, 1)


async def test_many_who_need_it_at_once_load_it_once() -> None:
    engine = Engine()
    engine.may_load.clear()
    slot = slot_of(engine)
    users = [asyncio.create_task(use(slot)) for _ in range(10)]
    await eventually(lambda: in_state(slot, EngineState.loading))
    engine.may_load.set()
    assert set(await asyncio.gather(*users)) == {engine}
    assert engine.loads == 1


async def in_state(slot: EngineSlot[Engine], state: EngineState) -> bool:
    return slot.status.state == state


async def test_who_gives_up_waiting_leaves_no_engine_that_nobody_knows() -> None:
    engine = Engine()
    engine.may_load.clear()
    slot = slot_of(engine, Care(idle_seconds=0))
    impatient = asyncio.create_task(use(slot))
    await eventually(lambda: in_state(slot, EngineState.loading))
    impatient.cancel()
    with suppress(asyncio.CancelledError):
        await impatient
    engine.may_load.set()
    await eventually(lambda: in_state(slot, EngineState.idle))
    assert (engine.loads, engine.in_memory) == (1, 0)


async def test_a_load_that_failed_is_tried_again_after_a_rest(clock: ManualClock) -> None:
    engine = Engine(failures=1)
    slot = slot_of(engine, clock=clock)
    with pytest.raises(OSError, match="no memory"):
        await use(slot)
    with pytest.raises(LoadFailed, match=r"base could not be loaded: OSError; it is tried again in 1 s"):
        await use(slot)
    clock.advance(seconds=1)
    assert await use(slot) is engine


async def test_a_reason_that_callers_may_know_is_told_again_during_the_rest(clock: ManualClock) -> None:
    house = House(clock, need=11)
    for _ in range(2):
        with pytest.raises(NoRoom):
            await house.use("a")
    assert house.engines["a"].loads == 0


async def test_the_rest_grows_with_each_failure(clock: ManualClock) -> None:
    slot = slot_of(Engine(failures=9), clock=clock)
    for seconds in (1, 2, 4, 8, 16, 32, 60, 60):
        with pytest.raises(OSError, match="no memory"):
            await use(slot)
        clock.advance(seconds=seconds - 0.5)
        with pytest.raises(LoadFailed):
            await use(slot)
        clock.advance(seconds=0.5)


async def test_it_is_unloaded_when_idle_and_loaded_again() -> None:
    engine = Engine()
    slot = slot_of(engine, Care(idle_seconds=0.01))
    await use(slot)
    await eventually(lambda: unloaded(slot))
    assert engine.unloads == 1
    await use(slot)
    assert engine.loads == 2
    await slot.close()


async def test_it_stays_while_somebody_uses_it() -> None:
    engine = Engine()
    slot = slot_of(engine, Care(idle_seconds=0))
    async with slot.borrow():
        await use(slot)
        assert not await slot.give_up()
        assert slot.loaded
    await eventually(lambda: unloaded(slot))


async def test_it_may_be_told_to_stay() -> None:
    slot = slot_of(Engine())
    await use(slot)
    await asyncio.sleep(0.01)
    assert slot.loaded


async def test_it_stays_while_it_is_pinned() -> None:
    slot = slot_of(Engine(), Care(idle_seconds=0))
    await slot.load(pin=True)
    await use(slot)
    await asyncio.sleep(0.01)
    assert slot.loaded
    await slot.load(pin=False)
    await eventually(lambda: unloaded(slot))


async def test_what_cannot_be_loaded_is_not_pinned(clock: ManualClock) -> None:
    slot = slot_of(Engine(failures=1), clock=clock)
    with pytest.raises(OSError, match="no memory"):
        await slot.load(pin=True)
    assert not slot.pinned


async def test_closing_gives_the_memory_back() -> None:
    engine = Engine()
    slot = slot_of(engine, Care(idle_seconds=300))
    await use(slot)
    await slot.close()
    assert (slot.loaded, engine.unloads) == (False, 1)


async def test_closing_does_not_wait_for_those_who_use_it() -> None:
    engine = Engine()
    slot = slot_of(engine)
    async with slot.borrow():
        await slot.close()
        assert (slot.loaded, engine.unloads) == (False, 1)


async def test_unloading_gives_the_memory_back_and_unpins() -> None:
    engine = Engine()
    slot = slot_of(engine)
    await slot.load(pin=True)
    await slot.unload()
    assert (slot.loaded, slot.pinned, engine.in_memory) == (False, False, 0)


async def test_what_is_in_use_is_not_unloaded_and_stays_the_one_copy_there_is() -> None:
    engine = Engine()
    slot = slot_of(engine)
    async with used(slot):
        await slot.load(pin=True)
        with pytest.raises(EngineInUse, match="base is in use"):
            await slot.unload()
        assert (slot.loaded, slot.pinned, engine.loads, engine.unloads) == (True, True, 1, 0)
    assert await use(slot) is engine
    assert engine.loads == 1


async def test_what_is_being_loaded_is_not_unloaded() -> None:
    engine = Engine()
    engine.may_load.clear()
    slot = slot_of(engine)
    loading = asyncio.create_task(slot.load())
    await eventually(lambda: in_state(slot, EngineState.loading))
    with pytest.raises(EngineInUse):
        await slot.unload()
    engine.may_load.set()
    await loading
    assert (engine.loads, engine.in_memory) == (1, 1)


async def test_an_engine_that_was_lost_is_loaded_anew() -> None:
    made: list[Engine] = []

    def make() -> Engine:
        made.append(Engine())
        return made[-1]

    slot = EngineRoom[Engine]().add("base", make, KEPT)
    with pytest.raises(EngineLost):
        async with slot.borrow():
            raise EngineLost("killed")
    assert not slot.loaded
    assert await use(slot) is made[1]


async def test_it_tells_what_it_does(clock: ManualClock) -> None:
    slot = slot_of(Engine(), replace(KEPT, measure=lambda _: 5), clock)
    assert (slot.status.state, slot.status.memory_bytes, slot.status.last_used) == ("idle", None, None)
    async with used(slot):
        assert (slot.status.state, slot.status.users, slot.status.memory_bytes) == ("loaded", 1, 5)
    assert (slot.status.users, slot.status.last_used) == (0, clock.now())


class House:
    """A room for 10 bytes, and engines that need 4 each."""

    def __init__(self, clock: ManualClock, *, need: int = 4) -> None:
        self.room = EngineRoom[Engine](10, clock)
        self.engines = {name: Engine() for name in "abc"}
        self._clock = clock
        for name, engine in self.engines.items():
            self.room.add(name, lambda engine=engine: engine, Care(estimate=lambda: need))  # type: ignore[misc]

    async def use(self, *names: str) -> None:
        for name in names:
            self._clock.advance(seconds=1)
            await use(self.room.slots[name])

    @property
    def loaded(self) -> str:
        assert all(engine.in_memory == self.room.slots[n].loaded for n, engine in self.engines.items())
        return "".join(name for name, slot in self.room.slots.items() if slot.loaded)


@pytest.fixture
def house(clock: ManualClock) -> House:
    return House(clock)


async def test_the_one_used_longest_ago_makes_room(house: House) -> None:
    await house.use("a", "b", "a", "c")
    assert house.loaded == "ac"


async def test_what_is_pinned_makes_no_room(house: House) -> None:
    await house.room.slots["a"].load(pin=True)
    await house.use("b", "c")
    assert house.loaded == "ac"


async def test_what_is_in_use_makes_no_room(house: House) -> None:
    await house.use("a")
    async with used(house.room.slots["a"]):
        await house.use("b", "c")
        assert house.loaded == "ac"


async def test_what_an_engine_once_filled_counts_from_then_on(clock: ManualClock) -> None:
    filled = 1
    room = EngineRoom[Engine](10, clock)
    care: Care[Engine] = Care(estimate=lambda: 4, measure=lambda _: filled)
    first, second = (room.add(name, Engine, care) for name in "ab")
    await use(first)
    await use(second)
    assert (first.loaded, second.loaded) == (True, True)
    filled = 7
    await use(first)
    await first.unload()
    filled = 1
    await use(first)
    assert (first.loaded, second.loaded) == (True, False)


async def test_when_all_are_busy_the_next_waits_for_the_first_that_is_free(house: House) -> None:
    async with used(house.room.slots["a"]):
        async with used(house.room.slots["b"]):
            waiting = asyncio.create_task(house.use("c"))
            await eventually(lambda: crowded(house))
            assert house.loaded == "ab"
        await waiting
        assert house.loaded == "ac"


async def crowded(house: House) -> bool:
    return house.room.crowded


async def test_who_wants_room_goes_before_the_next_use_of_what_is_there(house: House) -> None:
    order: list[str] = []

    async def again() -> None:
        await house.use("a")
        order.append("a")

    async def first() -> None:
        await house.use("c")
        order.append("c")

    async with used(house.room.slots["b"]), used(house.room.slots["a"]):
        newcomer = asyncio.create_task(first())
        await eventually(lambda: crowded(house))
        old = asyncio.create_task(again())
    await asyncio.gather(newcomer, old)
    assert order == ["c", "a"]


async def test_a_busy_one_is_asked_to_yield_after_its_turn(clock: ManualClock) -> None:
    house = House(clock, need=6)
    slot = house.room.slots["a"]
    async with used(slot):
        assert not slot.asked_to_yield
        waiting = asyncio.create_task(house.use("b"))
        await eventually(lambda: crowded(house))
        assert slot.asked_to_yield
    await waiting
    assert house.loaded == "b"


@pytest.mark.parametrize("pinned", [False, True])
async def test_what_can_never_fit_is_refused_with_the_reason(clock: ManualClock, pinned: bool) -> None:
    house = House(clock, need=6 if pinned else 11)
    if pinned:
        await house.room.slots["a"].load(pin=True)
    with pytest.raises(NoRoom, match="a must keep" if pinned else "b needs about 0 MiB"):
        await house.use("b")
