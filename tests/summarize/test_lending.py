"""An engine that several jobs use by turns, and that makes room for another between them."""

import asyncio
from pathlib import Path

import pytest

from stentor_common.clock import ManualClock
from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care, EngineLost, EngineSlot
from stentor_common.testing import eventually
from stentor_summarize.engines import Engine, EngineSettings
from stentor_summarize.engines.scripted import Script, ScriptedEngine
from stentor_summarize.lending import LentEngine, lent


class Room(EngineRoom[Engine]):
    """With room for one engine."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(budget_bytes=100, clock=clock)
        self.loads: list[str] = []

    def slot(self, name: str) -> EngineSlot[Engine]:
        def make() -> Engine:
            self.loads.append(name)
            return ScriptedEngine(EngineSettings(name, Path()), Script(("text",)))

        return self.add(name, make, Care(estimate=lambda: 100))


@pytest.fixture
def room(clock: ManualClock) -> Room:
    return Room(clock)


async def test_jobs_take_turns_at_one_engine(room: Room) -> None:
    slot, lock = room.slot("one"), asyncio.Lock()
    async with lent(slot, lock) as first, lent(slot, lock) as second:
        async with first:
            waiting = asyncio.create_task(second.__aenter__())
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting
        await second.__aexit__(None, None, None)
    assert room.loads == ["one"]


async def test_it_is_told_which_engine_it_is(room: Room) -> None:
    async with lent(room.slot("one"), asyncio.Lock()) as engine:
        assert (engine.name, engine.model, engine.kind) == ("scripted", "one", "abstractive")
        assert engine.count_tokens(["one two"]) == [2]


async def test_another_model_has_its_room_between_turns(room: Room, clock: ManualClock) -> None:
    one, other, lock = room.slot("one"), room.slot("other"), asyncio.Lock()
    async with lent(one, lock) as first, lent(one, lock) as second:
        async with first:
            pass
        clock.advance(hours=1)
        loading = asyncio.create_task(other.load())

        async def waits() -> bool:
            return room.crowded

        await eventually(waits)
        turns = [asyncio.create_task(take(each)) for each in (first, second)]
        await loading
        # They have their engine back once the other one is idle.
        await asyncio.gather(*turns)
    assert room.loads == ["one", "other", "one"]


async def take(engine: LentEngine) -> None:
    async with engine:
        pass


async def test_an_engine_that_was_lost_is_loaded_again(room: Room) -> None:
    slot, lock = room.slot("one"), asyncio.Lock()
    with pytest.raises(EngineLost):
        async with lent(slot, lock) as engine, engine:
            raise EngineLost("killed")
    assert not slot.loaded
    async with lent(slot, lock):
        assert room.loads == ["one", "one"]


async def test_a_job_that_is_cancelled_while_it_waits_gives_everything_back(room: Room) -> None:
    slot, lock = room.slot("one"), asyncio.Lock()
    async with lent(slot, lock) as holder:
        async with holder:

            async def wait_for_a_turn() -> None:
                async with lent(slot, lock) as engine, engine:
                    raise AssertionError("it is not its turn")

            waiting = asyncio.create_task(wait_for_a_turn())

            async def borrowed() -> bool:
                return slot.users == 2

            await eventually(borrowed)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        async with asyncio.timeout(5), holder:
            assert slot.users == 1
    assert slot.users == 0
