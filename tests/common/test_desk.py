"""One service asks another, without importing it."""

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from stentor_common.auth import Caller, Scope
from stentor_common.desk import ask, attended, caller_of, caller_to_json
from stentor_common.errors import AppError, BadInput
from stentor_common.queue import NoAnswer
from stentor_common.runtime import Runtime
from stentor_common.service import Service


async def greet(_runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
    if not given["name"]:
        raise BadInput("say a name", param="name", headers={"x-hint": "a name"})
    return {"greeting": f"Hello {given['name']}."}


SERVICE = Service(name="greeter", desk={"greet": greet})


async def test_an_answer_comes_back_as_it_was_given(runtime: Runtime) -> None:
    async with attended(runtime, [SERVICE]):
        assert await ask(runtime, "greeter", "greet", name="Ada") == {"greeting": "Hello Ada."}


async def test_a_refusal_is_told_with_all_that_a_caller_may_be_told(runtime: Runtime) -> None:
    async with attended(runtime, [SERVICE]):
        with pytest.raises(AppError, match="say a name") as raised:
            await ask(runtime, "greeter", "greet", name="")
    error = raised.value
    assert (error.status, error.code, error.param) == (400, "bad_input", "name")
    assert error.headers == {"x-hint": "a name"}


async def test_a_service_that_is_not_there_does_not_answer(runtime: Runtime) -> None:
    with pytest.raises(NoAnswer):
        await ask(runtime, "greeter", "greet", name="Ada")


@pytest.mark.parametrize(
    "caller",
    [Caller("::1"), Caller("10.0.0.1", uuid.uuid4(), uuid.uuid4(), frozenset({Scope.jobs_read}))],
)
def test_a_question_says_on_whose_behalf_it_is_asked(caller: Caller) -> None:
    assert caller_of(caller_to_json(caller)) == caller
