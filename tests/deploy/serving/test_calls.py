"""Which revision a call goes to, and who may call it."""

import json
import uuid

import pytest

from stentor_common.auth import Caller
from stentor_common.errors import NotFound
from stentor_deploy.errors import (
    NotReady,
)
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked
from stentor_deploy.testing import target
from stentor_deploy.testing_serving import ANYBODY, Serving, double, same


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
