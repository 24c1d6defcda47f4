"""Calls to deployed models, through the gateway: models are functions of this process."""

import asyncio
import json
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stentor_common.auth import Caller
from stentor_common.errors import NotFound, Unavailable
from stentor_common.testing import eventually
from stentor_deploy.errors import (
    LoadFailed,
    ModelFailed,
    ModelLost,
    ModelTooSlow,
    ModelUnhealthy,
    NotReady,
    TooManyWaiting,
)
from stentor_deploy.routing import Route, Target
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked, Gateway, ServingState, Used
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing import AnySpecs, FunctionDriver, KnownRoutes, Model, no_lines, route, target

ANYBODY = Caller("203.0.113.9")


class Serving:
    """A gateway, what stands around it, and a way to call it."""

    def __init__(self, **settings: Any) -> None:
        self.routes, self.specs, self.driver = KnownRoutes(), AnySpecs(), FunctionDriver()
        self.ledger = MemoryLedger()
        self.gateway = Gateway(
            self.routes, self.specs, self.driver, DeploySettings(**settings), no_lines, self.ledger
        )

    def deploy(self, *models: tuple[Target, Model], **changed: Any) -> Route:
        found = route(*(each for each, _ in models), **changed)
        self.routes.routes[found.name] = found
        self.driver.models |= {str(each.revision_id): model for each, model in models}
        return found

    def change(self, name: str, **changed: Any) -> None:
        self.routes.routes[name] = replace(self.routes.routes[name], **changed)

    async def call(self, value: Any = None, *, caller: Caller = ANYBODY, **asked: Any) -> Any:
        name = asked.pop("name", "iris")
        asking = Asked(name, Payload(json.dumps(value).encode()), **asked)
        predicted = await self.gateway.predict(caller, asking)
        return json.loads(predicted.payload.body)

    async def parts(self, value: Any = None, **asked: Any) -> list[Any]:
        stream = self.gateway.stream(ANYBODY, Asked("iris", Payload(json.dumps(value).encode()), **asked))
        return [json.loads(part.body) async for part in stream]


class MemoryLedger:
    def __init__(self) -> None:
        self.used: list[Used] = []
        self.idle = float("inf")

    async def write(self, used: Any) -> None:
        self.used += used

    async def idle_seconds(self, _revision_id: uuid.UUID) -> float:
        return self.idle


class Gate:
    """A model that answers with its input once it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.inside = 0
        self.most = 0
        self.seen: list[Any] = []

    async def __call__(self, value: Any) -> Any:
        self.seen.append(value)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.opened.wait()
        finally:
            self.inside -= 1
        return value

    async def entered(self, calls: int = 1) -> None:
        async def enough() -> bool:
            return len(self.seen) >= calls

        await eventually(enough)


@pytest.fixture
def settings() -> dict[str, Any]:
    return {}


@pytest.fixture
async def serving(settings: dict[str, Any]) -> AsyncIterator[Serving]:
    found = Serving(**settings)
    yield found
    await found.gateway.close()


@pytest.fixture
def gate() -> Gate:
    return Gate()


def double(value: Any) -> Any:
    return [2 * each for each in value]


def same(value: Any) -> Any:
    return value


# ---- Which revision, and for whom ----


async def test_a_call_is_answered_by_the_model_and_says_which_revision_did_it(serving: Serving) -> None:
    only = target(3)
    serving.deploy((only, double))
    predicted = await serving.gateway.predict(ANYBODY, Asked("iris", Payload(b"[1, 2]")))
    assert json.loads(predicted.payload.body) == [2, 4]
    assert (predicted.deployment, predicted.revision, predicted.number) == ("iris", only.revision_id, 3)
    assert predicted.seconds > 0


async def test_a_deployment_is_found_by_its_id_too(serving: Serving) -> None:
    found = serving.deploy((target(), same))
    assert await serving.call(5, name=str(found.deployment_id)) == 5


async def test_what_is_somebody_elses_is_not_there_unless_it_is_public(serving: Serving) -> None:
    owner = Caller("203.0.113.1", uuid.uuid4())
    serving.deploy((target(), same), owner_id=owner.user_id, public=False)
    assert await serving.call(1, caller=owner) == 1
    with pytest.raises(NotFound, match="somebody else's"):
        await serving.call(1)
    serving.change("iris", public=True)
    assert await serving.call(1) == 1


async def test_calls_are_split_by_percent(serving: Serving) -> None:
    serving.deploy((target(1, 75), lambda _: "old"), (target(2, 25), lambda _: "new"), (target(3, 0), same))
    answers = [await serving.call() for _ in range(100)]
    assert (answers.count("old"), answers.count("new")) == (75, 25)
    assert "new" in answers[:8], "a share comes spread over the calls, not at their end"


async def test_a_call_may_name_a_revision_that_gets_no_others(serving: Serving) -> None:
    first = target(1, 0)
    serving.deploy((first, lambda _: "old"), (target(2), lambda _: "new"))
    assert await serving.call(revision="1") == "old"
    assert await serving.call(revision=str(first.revision_id)) == "old"
    with pytest.raises(NotFound, match=r"no revision '7'.*there are 1, 2"):
        await serving.call(revision="7")


async def test_without_a_revision_that_is_ready_a_call_is_told_the_state(serving: Serving) -> None:
    serving.deploy(state="building")
    with pytest.raises(NotReady, match="it is building"):
        await serving.call()


async def test_where_no_revision_gets_calls_one_must_be_named(serving: Serving) -> None:
    serving.deploy((target(1, 0), same))
    with pytest.raises(NotReady, match="promote one, or name one"):
        await serving.call(1)
    assert await serving.call(1, revision="1") == 1


async def test_further_methods_can_be_called(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    serving.driver.methods[str(only.revision_id)] = {"double": double}
    assert await serving.call([4], method="double") == [8]


# ---- Asleep and awake ----


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


# ---- Turns ----


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


# ---- Calls that fail ----


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


# ---- Batches ----


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


# ---- Streams ----


async def test_a_stream_comes_part_by_part(serving: Serving) -> None:
    def counting(value: int) -> Any:
        yield from range(value)

    serving.deploy((target(streams=True), counting))
    assert await serving.parts(3) == [0, 1, 2]


async def test_an_answer_that_is_no_stream_is_a_single_part(serving: Serving) -> None:
    serving.deploy((target(), same))
    assert await serving.parts("all") == ["all"]


async def test_a_stream_that_is_closed_early_ends_the_generator_and_gives_its_turn_back(
    serving: Serving,
) -> None:
    ended = threading.Event()

    async def endless(_: Any) -> Any:
        try:
            while True:
                yield 1
        finally:
            ended.set()

    only = target(streams=True)
    serving.deploy((only, endless))
    async with aclosing(serving.gateway.stream(ANYBODY, Asked("iris", Payload(b"null")))) as parts:
        assert (await anext(parts)).body == b"1"
        assert serving.gateway.status(only.revision_id).in_flight == 1
    assert ended.is_set()
    assert serving.gateway.status(only.revision_id).in_flight == 0


# ---- What is told of it ----


async def test_use_is_counted_by_who_called(serving: Serving) -> None:
    user, token = uuid.uuid4(), uuid.uuid4()
    only = target()
    found = serving.deploy((only, double))
    await serving.call([1], caller=Caller("203.0.113.1", user, token))
    await serving.call([1])
    with pytest.raises(ModelFailed):
        await serving.call(1)
    await serving.gateway.close()
    told = {(each.user_id, each.token_id): (each.calls, each.failed) for each in serving.ledger.used}
    assert told == {(user, token): (1, 0), (None, None): (2, 1)}
    ids = {(each.deployment_id, each.revision_id) for each in serving.ledger.used}
    assert ids == {(found.deployment_id, only.revision_id)}


async def test_metrics_tell_calls_and_batches_by_revision(serving: Serving) -> None:
    registry = CollectorRegistry()
    serving.gateway.metrics.register(registry)
    serving.deploy((target(2, batch=8), double))
    await serving.call([1])
    await asyncio.gather(*(serving.call([1]) for _ in range(3)))
    with pytest.raises(ModelFailed):
        await serving.call(1)

    def told(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, {"deployment": "iris", "revision": "2", **labels})

    assert told("stentor_model_calls_total", outcome="ok") == 4
    assert told("stentor_model_calls_total", outcome="model_error") == 1
    assert told("stentor_model_call_seconds_count") == 5
    assert told("stentor_model_batch_calls_count") == 2
    assert told("stentor_model_batch_calls_sum") == 4
    assert told("stentor_model_replicas") == 1
    assert told("stentor_model_calls_waiting") == 0


async def test_the_status_says_what_keeps_the_model_from_others(serving: Serving) -> None:
    only = target()
    serving.deploy((only, same))
    await serving.call()
    status = serving.gateway.status(only.revision_id)
    assert status.isolation
    assert status.isolation.missing == {"process": "runs inside of the test"}
    assert status.memory_bytes == 1_000_000


async def test_lines_of_a_model_go_where_its_revision_is_told(settings: dict[str, Any]) -> None:
    lines: list[tuple[uuid.UUID, str]] = []

    def tell(revision_id: uuid.UUID) -> Callable[[str, str, str], None]:
        return lambda _stream, line, _request_id: lines.append((revision_id, line))

    serving = Serving(**settings)
    only = target()
    serving.deploy((only, same))
    gateway = Gateway(serving.routes, serving.specs, serving.driver, DeploySettings(), tell)
    await gateway.predict(ANYBODY, Asked("iris", Payload(b"1")))
    assert lines == [(only.revision_id, "starting")]
    await gateway.close()
    assert serving.driver.closed
