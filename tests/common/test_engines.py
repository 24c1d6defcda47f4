"""An engine in memory: loaded once, shared, unloaded when nobody needs it."""

import asyncio
import threading

import pytest

from stentor_common.engines import EngineSlot
from stentor_common.testing import eventually


class Engine:
    """Counts; the first `failures` loads fail."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.loads = self.unloads = 0
        self.may_load = threading.Event()
        self.may_load.set()

    def load(self) -> None:
        assert self.may_load.wait(5)
        self.loads += 1
        if self.loads <= self.failures:
            raise OSError("no memory left")

    def unload(self) -> None:
        self.unloads += 1


async def use(slot: EngineSlot[Engine]) -> Engine:
    async with slot.borrow() as engine:
        return engine


async def test_it_is_loaded_by_the_first_who_needs_it() -> None:
    engine = Engine()
    slot = EngineSlot(lambda: engine, idle_seconds=-1)
    assert (slot.loaded, engine.loads) == (False, 0)
    async with slot.borrow() as found:
        assert found is engine
    assert (slot.loaded, engine.loads) == (True, 1)


async def test_many_who_need_it_at_once_load_it_once() -> None:
    engine = Engine()
    engine.may_load.clear()
    slot = EngineSlot(lambda: engine, idle_seconds=-1)
    users = [asyncio.create_task(use(slot)) for _ in range(10)]
    await asyncio.sleep(0.01)
    engine.may_load.set()
    assert set(await asyncio.gather(*users)) == {engine}
    assert engine.loads == 1


async def test_a_load_that_failed_is_tried_again_by_the_next() -> None:
    engine = Engine(failures=1)
    slot = EngineSlot(lambda: engine, idle_seconds=-1)
    with pytest.raises(OSError, match="no memory"):
        await use(slot)
    assert not slot.loaded
    assert await use(slot) is engine


async def test_it_is_unloaded_when_idle_and_loaded_again() -> None:
    engine = Engine()
    slot = EngineSlot(lambda: engine, idle_seconds=0.01)
    await use(slot)
    await eventually(lambda: unloaded(slot))
    assert engine.unloads == 1
    await use(slot)
    assert engine.loads == 2
    await slot.close()


async def unloaded(slot: EngineSlot[Engine]) -> bool:
    return not slot.loaded


async def test_it_stays_while_somebody_uses_it() -> None:
    engine = Engine()
    slot = EngineSlot(lambda: engine, idle_seconds=0)
    async with slot.borrow():
        await use(slot)
        await slot.close()
        await asyncio.sleep(0.01)
        assert slot.loaded
    await eventually(lambda: unloaded(slot))


async def test_it_may_be_told_to_stay() -> None:
    slot = EngineSlot(Engine, idle_seconds=-1)
    await use(slot)
    await asyncio.sleep(0.01)
    assert slot.loaded


async def test_closing_gives_the_memory_back() -> None:
    engine = Engine()
    slot = EngineSlot(lambda: engine, idle_seconds=300)
    await use(slot)
    await slot.close()
    assert (slot.loaded, engine.unloads) == (False, 1)
