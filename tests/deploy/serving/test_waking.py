"""Models that sleep, wake, are kept awake, and end."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from stentor_common.errors import Unavailable
from stentor_common.testing import eventually
from stentor_deploy.errors import (
    LoadFailed,
    ModelUnhealthy,
    TooManyWaiting,
)
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked, ServingState
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import ANYBODY, Gate, Serving, same


async def test_the_first_call_wakes_the_model_and_waits_for_it(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    serving.driver.holds = True
    assert serving.gateway.status(only.revision_id).state is ServingState.idle
    calls = [asyncio.create_task(serving.call(number)) for number in range(3)]

    async def waking() -> bool:
        status = serving.gateway.status(only.revision_id)
        return status.state is ServingState.waking and status.waiting == 3

    await eventually(waking)
    serving.driver.release()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert serving.gateway.status(only.revision_id).state is ServingState.ready
    assert len(serving.specs.asked) == 1


async def test_a_model_that_does_not_load_gives_its_reason_to_all_who_wait(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    serving.driver.holds = True
    calls = [asyncio.create_task(serving.call()) for _ in range(2)]
    await asyncio.sleep(0)
    serving.driver.release(LoadFailed("No module named 'nonsense'", details="a traceback"))
    for error in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(error, ModelUnhealthy)
        assert error.message == "the model cannot be called: no module named 'nonsense'"
    assert serving.gateway.status(only.revision_id).state is ServingState.unhealthy
    with pytest.raises(ModelUnhealthy, match="no module named"):
        await serving.call()
    serving.driver.release()

    async def ready() -> bool:
        return serving.gateway.status(only.revision_id).state is ServingState.ready

    await eventually(ready)
    assert await serving.call(1) == 1


async def test_what_cannot_be_brought_here_is_told_and_not_tried_at_each_call(serving: Serving) -> None:
    serving.deploy((target(), same))
    serving.specs.trouble = Unavailable("the store does not answer")
    for _ in range(3):
        with pytest.raises(ModelUnhealthy, match="the store does not answer"):
            await serving.call()
    assert len(serving.specs.asked) == 1


@pytest.mark.parametrize("settings", [{"load_seconds": 0.05}])
async def test_nobody_waits_forever_for_a_model_to_wake(serving: Serving) -> None:
    serving.deploy((target(), same), seconds=0.05)
    serving.driver.holds = True
    with pytest.raises(TooManyWaiting):
        await serving.call()


async def test_an_idle_model_goes_to_sleep_and_wakes_again(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same), idle_seconds=0)
    await serving.call()
    await serving.gateway.look_after()
    status = serving.gateway.status(only.revision_id)
    assert (status.state, status.replicas) == (ServingState.idle, 0)
    assert await serving.call(2) == 2
    assert len(serving.driver.fleets) == 1, "the fleet is asked for replicas again, not made anew"


async def test_a_model_with_a_call_does_not_go_to_sleep(serving: Serving, gate: Gate) -> None:
    serving.deploy((target(), gate), idle_seconds=0)
    call = asyncio.create_task(serving.call(3))
    await gate.entered()
    await serving.gateway.look_after()
    gate.opened.set()
    assert await call == 3


async def test_a_model_that_is_used_elsewhere_stays_awake(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same), idle_seconds=60)
    await serving.call()
    serving.change("iris", idle_seconds=0.001)
    serving.ledger.idle = 0
    await serving.gateway.look_after()
    assert serving.gateway.status(only.revision_id).replicas == 1


async def test_replicas_that_are_wanted_awake_start_without_a_call(serving: Serving) -> None:
    called, named = target(1), target(2, 0)
    serving.deploy((called, same), (named, same), min_replicas=2, max_replicas=2, idle_seconds=0)
    await serving.gateway.look_after()

    async def awake() -> bool:
        return serving.gateway.status(called.revision_id).replicas == 2

    await eventually(awake)
    assert serving.gateway.status(named.revision_id).state is ServingState.idle


async def test_what_is_no_longer_deployed_ends(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    await serving.call()
    serving.routes.routes.clear()
    await serving.gateway.look_after()

    async def closed() -> bool:
        return serving.driver.fleets[0].closed

    await eventually(closed)
    assert serving.gateway.status(only.revision_id).state is ServingState.idle


async def test_a_dropped_revision_ends_after_its_calls_and_can_be_called_again(
    serving: Serving, gate: Gate
) -> None:
    only = target()
    serving.deploy((only, gate))
    call = asyncio.create_task(serving.call(1))
    await gate.entered()
    await serving.gateway.drop(only.revision_id)
    later = asyncio.create_task(serving.call(2))
    await asyncio.sleep(0.01)
    assert gate.seen == [1], "a call that comes meanwhile waits for new replicas"
    gate.opened.set()
    assert [await call, await later] == [1, 2]
    assert [fleet.closed for fleet in serving.driver.fleets] == [True, False]


async def test_no_call_fails_while_traffic_moves_to_another_revision(serving: Serving) -> None:
    async def working(value: Any) -> Any:
        await asyncio.sleep(0.001)
        return value

    old, new = target(1), target(2)
    serving.deploy((old, working), (replace(new, percent=0), working))

    async def client() -> set[int]:
        seen: set[int] = set()
        while 2 not in seen:
            predicted = await serving.gateway.predict(ANYBODY, Asked("iris", Payload(b"1")))
            seen.add(predicted.number)
        return seen

    clients = [asyncio.create_task(client()) for _ in range(8)]
    await asyncio.sleep(0.02)
    serving.change("iris", targets=(new,))
    await serving.gateway.drop(old.revision_id)
    assert {1, 2} in await asyncio.gather(*clients)

    async def closed() -> bool:
        return serving.driver.fleets[0].closed

    await eventually(closed)
