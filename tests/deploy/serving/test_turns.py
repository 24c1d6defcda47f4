"""Who is next, at which replica."""

import asyncio

import pytest

from stentor_common.testing import eventually
from stentor_deploy.errors import (
    ModelUnhealthy,
    TooManyWaiting,
)
from stentor_deploy.serving.gateway import ServingState
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import Gate, Serving, same


async def test_a_replica_does_one_call_at_a_time_and_the_longest_wait_is_next(
    serving: Serving, gate: Gate
) -> None:
    serving.deploy((target(), gate))
    calls = [asyncio.create_task(serving.call(number)) for number in range(5)]
    await gate.entered()
    gate.opened.set()
    assert await asyncio.gather(*calls) == list(range(5))
    assert (gate.most, gate.seen) == (1, list(range(5)))


async def test_a_model_does_as_many_calls_at_a_time_as_it_says(serving: Serving, gate: Gate) -> None:
    serving.specs.concurrency = 3
    serving.deploy((target(concurrency=3), gate))
    calls = [asyncio.create_task(serving.call(number)) for number in range(5)]
    await gate.entered(3)
    gate.opened.set()
    await asyncio.gather(*calls)
    assert gate.most == 3


async def test_calls_go_to_the_replica_that_has_least_to_do(serving: Serving, gate: Gate) -> None:
    serving.deploy((target(), gate), min_replicas=2, max_replicas=2)
    await serving.gateway.look_after()
    calls = [asyncio.create_task(serving.call(number)) for number in range(2)]
    await gate.entered(2)
    assert [replica.in_flight for replica in serving.driver.fleets[0].ready] == [1, 1]
    gate.opened.set()
    await asyncio.gather(*calls)


@pytest.mark.parametrize("settings", [{"most_waiting": 2}])
@pytest.mark.parametrize("batch", [1, 4])
async def test_a_full_line_refuses_further_calls(serving: Serving, gate: Gate, batch: int) -> None:
    serving.deploy((target(batch=batch), gate))
    first = asyncio.create_task(serving.call([0]))
    await gate.entered()
    waiting = [asyncio.create_task(serving.call([number])) for number in (1, 2)]
    await asyncio.sleep(0.01)
    with pytest.raises(TooManyWaiting, match="2 calls wait") as refused:
        await serving.call([3])
    assert refused.value.headers == {"Retry-After": "1"}
    gate.opened.set()
    assert await asyncio.gather(first, *waiting) == [[0], [1], [2]]


async def test_a_call_that_is_given_up_gives_its_turn_back(serving: Serving, gate: Gate) -> None:
    only = target()
    serving.deploy((only, gate))
    first, second = (asyncio.create_task(serving.call(number)) for number in range(2))
    await gate.entered()
    second.cancel()
    first.cancel()
    await asyncio.wait([first, second])
    gate.opened.set()
    assert await serving.call(2) == 2
    status = serving.gateway.status(only.revision_id)
    assert (status.in_flight, status.waiting) == (0, 0)


async def test_a_replica_is_busy_until_the_call_has_ended_that_its_caller_left(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    await serving.call()
    replica = serving.driver.fleets[0].ready[0]
    replica.in_flight = 1000
    call = asyncio.create_task(serving.call(1))
    await asyncio.sleep(0.03)
    assert serving.gateway.status(only.revision_id).waiting == 1
    replica.in_flight = 0
    assert await call == 1


@pytest.mark.parametrize("settings", [{"examine_seconds": 0}])
async def test_a_model_that_says_it_is_not_healthy_is_not_called(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    await serving.call()
    replica = serving.driver.fleets[0].ready[0]
    replica.well = False

    async def state_is(wanted: ServingState) -> bool:
        await serving.gateway.look_after()
        return serving.gateway.status(only.revision_id).state is wanted

    await eventually(lambda: state_is(ServingState.unhealthy))
    with pytest.raises(ModelUnhealthy, match="it says that it is not healthy"):
        await serving.call()
    replica.well = True
    await eventually(lambda: state_is(ServingState.ready))
    assert await serving.call(1) == 1
