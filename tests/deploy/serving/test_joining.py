"""Calls that wait are joined into one."""

import asyncio
from typing import Any

import pytest

from stentor_deploy.errors import (
    ModelFailed,
    ModelLost,
)
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import Gate, Serving


class Batches:
    """A model that takes lists, and how long those were."""

    def __init__(self) -> None:
        self.lengths: list[int] = []
        self.gate = Gate()

    async def __call__(self, value: list[Any]) -> list[Any]:
        self.lengths.append(len(value))
        await self.gate(value)
        return [2 * each for each in value]


@pytest.fixture
def batches() -> Batches:
    return Batches()


async def test_whatever_waits_is_joined_and_everybody_gets_his_own_answer(
    serving: Serving, batches: Batches
) -> None:
    serving.deploy((target(batch=8), batches))
    first = asyncio.create_task(serving.call([0]))
    await batches.gate.entered()
    waiting = [asyncio.create_task(serving.call([number, number])) for number in range(1, 11)]
    await asyncio.sleep(0.01)
    batches.gate.opened.set()
    assert await asyncio.gather(first, *waiting) == [[0], *([2 * n, 2 * n] for n in range(1, 11))]
    assert batches.lengths == [1, 16, 4], "no more than eight calls are joined"


async def test_calls_that_come_at_once_are_joined_though_nothing_runs(
    serving: Serving, batches: Batches
) -> None:
    serving.deploy((target(batch=8), batches))
    batches.gate.opened.set()
    await serving.call([0])
    await asyncio.gather(*(serving.call([number]) for number in range(5)))
    assert batches.lengths == [1, 5]


async def test_no_more_calls_are_joined_than_are_done_in_a_share_of_the_time(
    serving: Serving, batches: Batches
) -> None:
    serving.deploy((target(batch=8), batches), seconds=0.4)
    first = asyncio.create_task(serving.call([0]))
    await batches.gate.entered()
    waiting = [asyncio.create_task(serving.call([number])) for number in range(3)]
    await asyncio.sleep(0.11)
    batches.gate.opened.set()
    await asyncio.gather(first, *waiting)
    assert batches.lengths[:2] == [1, 1], "the first took longer than a quarter of a call's time"


async def test_only_lists_are_joined(serving: Serving, gate: Gate) -> None:
    serving.deploy((target(batch=8), gate))
    first = asyncio.create_task(serving.call({"a": 0}))
    await gate.entered()
    others = [asyncio.create_task(serving.call({"a": number})) for number in (1, 2)]
    await asyncio.sleep(0)
    gate.opened.set()
    await asyncio.gather(first, *others)
    assert gate.seen == [{"a": 0}, {"a": 1}, {"a": 2}]


@pytest.mark.parametrize("settings", [{"max_body_bytes": 40}])
async def test_a_batch_is_no_larger_than_a_single_call_may_be(serving: Serving, batches: Batches) -> None:
    serving.deploy((target(batch=8), batches))
    batches.gate.opened.set()
    await serving.call([0])
    await asyncio.gather(*(serving.call([10**15]) for _ in range(4)))
    assert batches.lengths == [1, 2, 2]


async def test_a_call_that_fails_in_a_batch_fails_alone(serving: Serving) -> None:
    def picky(value: list[Any]) -> list[Any]:
        if 13 in value:
            raise ValueError("thirteen")
        return value

    serving.deploy((target(batch=8), picky))
    await serving.call([0])
    answers = await asyncio.gather(*(serving.call([n]) for n in (1, 13, 2)), return_exceptions=True)
    assert (answers[0], answers[2]) == ([1], [2])
    assert isinstance(answers[1], ModelFailed)


async def test_a_call_that_ends_the_model_is_found_among_those_it_was_joined_with(serving: Serving) -> None:
    async def deadly(value: list[Any]) -> list[Any]:
        if 13 in value:
            serving.driver.fleets[0].crash()
            await asyncio.sleep(60)
        return value

    serving.deploy((target(batch=8), deadly))
    await serving.call([0])
    answers = await asyncio.gather(*(serving.call([n]) for n in (1, 13, 2)), return_exceptions=True)
    assert (answers[0], answers[2]) == ([1], [2])
    assert isinstance(answers[1], ModelLost)


async def test_who_gives_up_waiting_is_not_part_of_a_batch(serving: Serving, batches: Batches) -> None:
    serving.deploy((target(batch=8), batches))
    first = asyncio.create_task(serving.call([0]))
    await batches.gate.entered()
    gone, patient = (asyncio.create_task(serving.call([number])) for number in (1, 2))
    await asyncio.sleep(0.01)
    gone.cancel()
    await asyncio.wait([gone])
    batches.gate.opened.set()
    assert [await first, await patient] == [[0], [4]]
    assert batches.lengths == [1, 1]
