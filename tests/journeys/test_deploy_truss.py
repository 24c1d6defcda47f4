"""Clients of Truss and Baseten with deployed models: calls now, in chunks, and later with a webhook."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_common.testing_receiver import LOOPBACK, Received, Receiver, receiver
from stentor_deploy.errors import ModelFailed
from stentor_deploy.running import Payload, PayloadKind

BASE = "/models/greeter"

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]


@pytest.fixture
def services(model_services: list[Service]) -> list[Service]:
    return model_services


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK}


@pytest.fixture
async def somewhere() -> AsyncIterator[Receiver]:
    """Somebody's server that webhooks are sent to."""
    async with receiver() as server:
        yield server


def greet(asked: Any) -> Any:
    return {"greeting": f"Hello {asked['name']}"}


def words(asked: Any) -> Any:
    yield from ("Hello ", asked["name"], "!")


async def status_of(
    client: httpx2.AsyncClient, request_id: str, ends: str, headers: Headers | None = None
) -> dict[str, Any]:
    """What is told of a request once it ends like this."""

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (
            await client.get(f"{BASE}/async_request/{request_id}", headers=headers)
        ).json()
        assert found["status"] in ("QUEUED", "IN_PROGRESS", ends)
        return found if found["status"] == ends else None

    found = await eventually(look)
    assert found is not None
    return found


async def test_the_body_is_what_the_model_takes_and_the_answer_what_it_gives(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    first, _ = await deployed.add("greeter", lambda _: "old", greet)
    for path in ("predict", "production/predict", "environments/production/predict", "predict/"):
        answer = await client.post(f"{BASE}/{path}", json={"name": "Ada"})
        assert (answer.status_code, answer.json()) == (200, {"greeting": "Hello Ada"})
    for revision in ("1", str(first)):
        assert (await client.post(f"{BASE}/deployment/{revision}/predict", json={})).json() == "old"


async def test_whatever_goes_wrong_is_told_in_a_sentence(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    for path, content, status, says in (
        (f"{BASE}/predict", b"{", 400, "not valid JSON"),
        (f"{BASE}/predict", b"{}", 422, "KeyError: 'name'"),
        (f"{BASE}/deployment/7/predict", b"{}", 404, "no revision '7'"),
        (f"{BASE}/development/predict", b"{}", 404, "no such path"),
        ("/models/nobody/predict", b"{}", 404, "no deployment 'nobody'"),
        (f"{BASE}/async_predict", b"[]", 400, "JSON object"),
        (f"{BASE}/async_predict", b"{}", 400, "model_input"),
        (f"{BASE}/async_predict", b'{"model_input": 1, "priority": 3}', 400, "priority"),
        ("/models/nobody/async_predict", b'{"model_input": 1}', 404, "no deployment 'nobody'"),
    ):
        answer = await client.post(path, content=content)
        assert answer.status_code == status
        assert {*answer.json()} == {"error"}
        assert says in answer.json()["error"]


async def test_a_model_that_gives_part_after_part_is_answered_in_chunks(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", words, trial={"streams": True})
    async with client.stream("POST", f"{BASE}/predict", json={"name": "Ada"}) as answer:
        assert answer.headers["content-type"] == "application/octet-stream"
        assert await answer.aread() == b"Hello Ada!"
    whole = await client.post(f"{BASE}/predict", json={"name": "Ada"}, headers={"accept": "application/json"})
    assert whole.json() == "Hello Ada!"


async def test_parts_may_be_bytes_or_any_json(client: httpx2.AsyncClient, deployed: Any) -> None:
    def parts(_: Any) -> Any:
        yield b"\x00\xff"
        yield Payload("ü".encode(), PayloadKind.text)
        yield {"n": 1}

    await deployed.add("greeter", parts, trial={"streams": True})
    assert (await client.post(f"{BASE}/predict", json={})).content == b'\x00\xff\xc3\xbc{"n": 1}\n'


async def test_a_failure_before_the_first_chunk_has_its_status(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    def fails(asked: Any) -> Any:
        raise ModelFailed(f"no {asked['name']}")
        yield

    await deployed.add("greeter", fails, trial={"streams": True})
    answer = await client.post(f"{BASE}/predict", json={"name": "Ada"})
    assert answer.status_code == 422
    assert answer.json() == {"error": "no Ada"}


async def test_who_leaves_in_the_middle_ends_the_model(
    client: httpx2.AsyncClient, app: FastAPI, deployed: Any
) -> None:
    ended = asyncio.Event()

    async def endless(_: Any) -> Any:
        try:
            while True:
                yield "again "
                await asyncio.sleep(0)
        finally:
            ended.set()

    await deployed.add("greeter", endless, trial={"streams": True})
    left, parts = asyncio.Event(), []
    body = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> Any:
        if body:
            return body.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        parts.append(message.get("body"))
        if len(parts) > 3:
            left.set()

    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{BASE}/predict",
        "raw_path": f"{BASE}/predict".encode(),
        "query_string": b"",
        "headers": [(b"host", b"stentor")],
        "client": ("203.0.113.9", 1),
        "server": ("stentor", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    await asyncio.wait_for(app(scope, receive, send), 10)
    await asyncio.wait_for(ended.wait(), 10)
    assert parts[1:4] == [b"again "] * 3


async def test_an_answer_that_comes_later_is_kept(client: httpx2.AsyncClient, deployed: Any) -> None:
    _, second = await deployed.add("greeter", lambda _: "old", greet)
    accepted = await client.post(f"{BASE}/async_predict", json={"model_input": {"name": "Ada"}})
    assert accepted.status_code == 201
    assert {*accepted.json()} == {"request_id"}
    request_id = accepted.json()["request_id"]
    told = await status_of(client, request_id, "SUCCEEDED")
    assert datetime.fromisoformat(told.pop("created_at")) <= datetime.fromisoformat(told.pop("status_at"))
    assert told == {
        "request_id": request_id,
        "model_id": "greeter",
        "deployment_id": str(second),
        "status": "SUCCEEDED",
        "webhook_status": "NO_WEBHOOK_PROVIDED",
        "errors": [],
    }
    assert (await client.get(f"/v1/responses/{request_id}")).json() == {"greeting": "Hello Ada"}
    older = await client.post(f"{BASE}/deployment/1/async_predict", json={"model_input": None})
    await status_of(client, older.json()["request_id"], "SUCCEEDED")
    assert (await client.get(f"/v1/responses/{older.json()['request_id']}")).json() == "old"


async def test_a_failure_that_comes_later_says_why(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    accepted = await client.post(f"{BASE}/async_predict", json={"model_input": {}})
    told = await status_of(client, accepted.json()["request_id"], "FAILED")
    [error] = told["errors"]
    assert error["code"] == "model_error"
    assert "KeyError" in error["message"]


async def test_what_is_taken_and_not_done_is_said(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    asked = {
        "model_input": {"name": "Ada"},
        "priority": 2,
        "max_time_in_queue_seconds": 60,
        "inference_retry_config": {"max_attempts": 5},
    }
    warnings = (await client.post(f"{BASE}/async_predict", json=asked)).json()["warnings"]
    assert [each.partition(" ")[0] for each in warnings] == [name for name in asked if name != "model_input"]
    usual = {"model_input": {"name": "Ada"}, "priority": 0, "max_time_in_queue_seconds": 600}
    assert "warnings" not in (await client.post(f"{BASE}/async_predict", json=usual)).json()


@pytest.fixture
async def telling(runtime: Runtime, services: list[Service]) -> AsyncIterator[None]:
    """What sends webhooks is at work."""
    async with background(runtime, services):
        yield


@pytest.mark.usefixtures("telling")
async def test_the_answer_is_sent_to_somebodys_server(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp, somewhere: Receiver
) -> None:
    ada = await sign_up("ada")
    [revision] = await deployed.add("greeter", greet)
    sent = {}
    for name, given in (("good", {"name": "Ada"}), ("bad", {})):
        asked = {"model_input": given, "webhook_endpoint": f"{somewhere.url}/{name}"}
        accepted = await client.post(f"{BASE}/async_predict", json=asked, headers=ada)
        sent[name] = accepted.json()["request_id"]

    async def both() -> list[Received]:
        return somewhere.received if len(somewhere.received) == 2 else []

    told = {each.path: each.json for each in await eventually(both)}
    good, bad = told["/good"], told["/bad"]
    assert datetime.fromisoformat(good.pop("time"))
    assert good == {
        "request_id": sent["good"],
        "model_id": "greeter",
        "deployment_id": str(revision),
        "type": "async_request_completed",
        "data": {"greeting": "Hello Ada"},
        "errors": [],
    }
    assert (bad["request_id"], bad["data"]) == (sent["bad"], None)
    assert [each["code"] for each in bad["errors"]] == ["model_error"]

    async def delivered() -> bool:
        told = await status_of(client, sent["good"], "SUCCEEDED", ada)
        return bool(told["webhook_status"] == "SUCCEEDED")

    await eventually(delivered)


async def test_a_webhook_needs_an_account_and_goes_nowhere_inside(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    await deployed.add("greeter", greet)
    asked = {"model_input": 1, "webhook_endpoint": "http://127.0.0.1:9/"}
    assert (await client.post(f"{BASE}/async_predict", json=asked)).status_code == 401
    inside = {"model_input": 1, "webhook_endpoint": "http://10.0.0.1/"}
    refused = await client.post(f"{BASE}/async_predict", json=inside, headers=ada)
    assert refused.status_code == 400
    assert "webhook" in refused.json()["error"]


async def test_a_request_that_waits_can_be_cancelled(api: httpx2.AsyncClient, deployed: Any) -> None:
    """The workers are away."""
    await deployed.add("greeter", greet)
    accepted = (await api.post(f"{BASE}/async_predict", json={"model_input": {}})).json()
    path = f"{BASE}/async_request/{accepted['request_id']}"
    assert (await api.get(path)).json()["status"] == "QUEUED"
    told = (await api.delete(path)).json()
    assert (told["request_id"], told["canceled"]) == (accepted["request_id"], True)
    assert (await api.get(path)).json()["status"] == "CANCELED"
    assert (await api.get(path)).json()["errors"][0]["code"] == "cancelled"


async def test_a_request_that_is_over_cannot_be_cancelled(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    accepted = (await client.post(f"{BASE}/async_predict", json={"model_input": {"name": "Ada"}})).json()
    await status_of(client, accepted["request_id"], "SUCCEEDED")
    told = await client.delete(f"{BASE}/async_request/{accepted['request_id']}")
    assert told.status_code == 200
    assert told.json()["canceled"] is False
    assert "completed" in told.json()["message"]


async def test_a_request_is_known_at_its_own_model_alone(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    await deployed.add("other", greet)
    accepted = (await client.post(f"{BASE}/async_predict", json={"model_input": {"name": "Ada"}})).json()
    for path in (
        f"/models/other/async_request/{accepted['request_id']}",
        f"{BASE}/async_request/{uuid.uuid4()}",
    ):
        for method in ("GET", "DELETE"):
            assert (await client.request(method, path)).status_code == 404


async def test_a_key_is_sent_as_baseten_has_it(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    me = uuid.UUID((await client.get("/v1/users/me", headers=ada)).json()["id"])
    await deployed.add("greeter", greet, owner=me)
    key = {"Authorization": ada["Authorization"].replace("Bearer", "Api-Key")}
    assert (await client.post(f"{BASE}/predict", json={"name": "Ada"}, headers=key)).status_code == 200
