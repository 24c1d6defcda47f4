"""Calls that fail, and models that end."""

import asyncio
import uuid
from typing import Any

import pytest

from stentor_common.auth import Caller
from stentor_deploy.errors import (
    ModelFailed,
    ModelLost,
    ModelTooSlow,
    ModelUnhealthy,
)
from stentor_deploy.serving.gateway import ServingState
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import Gate, Serving


async def test_what_the_model_raises_is_told_and_its_traceback_to_the_owner_only(serving: Serving) -> None:
    owner = Caller("203.0.113.1", uuid.uuid4())

    def broken(value: Any) -> Any:
        raise ValueError(f"cannot read {value}")

    serving.deploy((target(), broken), owner_id=owner.user_id)
    with pytest.raises(ModelFailed, match="cannot read 7") as told:
        await serving.call(7, caller=owner)
    assert (told.value.kind, told.value.details) == ("ValueError", "a traceback")
    with pytest.raises(ModelFailed) as told:
        await serving.call(7)
    assert told.value.details == ""


async def test_a_caller_in_a_hurry_goes_without_an_answer_and_ends_nothing(
    serving: Serving, gate: Gate
) -> None:
    only = target()
    serving.deploy((only, gate))
    for _ in range(4):
        with pytest.raises(ModelTooSlow, match=r"within 0\.01 s"):
            await serving.call(seconds=0.01)
    gate.opened.set()
    assert await serving.call(1) == 1
    assert serving.gateway.status(only.revision_id).state is ServingState.ready


@pytest.mark.parametrize("batch", [1, 4])
async def test_no_call_takes_longer_than_its_deployment_allows(
    serving: Serving, gate: Gate, batch: int
) -> None:
    serving.deploy((target(batch=batch), gate), seconds=0.02)
    with pytest.raises(ModelTooSlow):
        await serving.call([1])


async def test_after_a_crash_the_next_call_is_answered_by_a_new_replica(serving: Serving, gate: Gate) -> None:
    only = target()
    serving.deploy((only, gate))
    lost = asyncio.create_task(serving.call(1))
    await gate.entered()
    serving.driver.fleets[0].crash()
    gate.opened.set()
    with pytest.raises(ModelLost):
        await lost
    assert await serving.call(2) == 2
    assert serving.gateway.status(only.revision_id).restarts == 1


async def test_a_crash_costs_only_the_call_that_the_model_was_at(serving: Serving) -> None:
    gate = Gate()
    gate.opened.set()
    serving.deploy((target(), gate))
    # Short calls are sent ahead of their turn.
    for number in range(20):
        await serving.call(number)
    gate.opened.clear()
    calls = [asyncio.create_task(serving.call(number)) for number in range(100, 105)]
    await gate.entered(21)
    assert serving.driver.fleets[0].ready[0].in_flight > 1
    serving.driver.fleets[0].crash()
    gate.opened.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(outcomes[0], ModelLost)
    assert outcomes[1:] == [101, 102, 103, 104]


async def test_a_model_that_ends_at_every_call_has_a_rest(serving: Serving) -> None:
    only = target()

    async def deadly(_: Any) -> Any:
        serving.driver.fleets[0].crash()
        await asyncio.sleep(60)

    serving.deploy((only, deadly))
    for _ in range(3):
        with pytest.raises(ModelLost):
            await serving.call()
    with pytest.raises(ModelUnhealthy, match="3 calls or more in a row") as refused:
        await serving.call()
    assert refused.value.headers == {"Retry-After": "1"}
    assert serving.gateway.status(only.revision_id).state is ServingState.unhealthy
