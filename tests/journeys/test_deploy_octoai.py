"""A client of OctoAI's endpoints, unchanged, with deployed models: answers now, later, and bit by bit."""

import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_authenticator
from stentor_common.host import create_app
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.testing import eventually
from stentor_deploy.errors import LoadFailed
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.settings import DeploySettings
from stentor_deploy.states import RevisionState
from stentor_stt.audio import Decoder
from stentor_stt.service import build_service as build_stt
from stentor_stt.settings import SttSettings

BASE = "/endpoints/greeter"
LATER = {"X-OctoAI-Async": "1"}
STREAM = {"accept": "text/event-stream"}

SignUp = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def services(model_services: list[Service]) -> list[Service]:
    return model_services


def greet(asked: Any) -> Any:
    return {"greeting": f"Hello {asked['name']}"}


def count(asked: Any) -> Any:
    yield from ({"number": number} for number in range(asked["to"]))


async def answer_to(client: httpx2.AsyncClient, poll_url: str, **given: Any) -> httpx2.Response:
    """What is behind the `response_url` in the end."""

    async def look() -> str | None:
        answer = await client.get(poll_url, **given)
        found = answer.json()
        assert (answer.status_code, found["status"] == "completed") in ((200, True), (202, False))
        url: str | None = found.get("response_url")
        return url

    url = await eventually(look)
    assert url
    return await client.get(url, **given)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_predict_answers_with_what_the_model_says(
    client: httpx2.AsyncClient, deployed: Any, slash: str
) -> None:
    await deployed.add("greeter", greet)
    answer = await client.post(f"{BASE}/predict{slash}", json={"name": "Ada"})
    assert answer.status_code == 200
    assert answer.json() == {"greeting": "Hello Ada"}
    assert answer.headers["x-stentor-revision"] == "1"


async def test_infer_tells_the_times_beside_the_output(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    found = (await client.post(f"{BASE}/infer", json={"name": "Ada"})).json()
    assert {*found} == {"output", "analytics"}
    assert found["output"] == {"greeting": "Hello Ada"}
    times = found["analytics"]
    assert 0 <= times["inference_time_ms"] <= times["performance_time_ms"]


async def test_further_methods_are_called_with_dashes(client: httpx2.AsyncClient, deployed: Any) -> None:
    [revision] = await deployed.add("greeter", greet)
    deployed.driver.methods[str(revision)] = {"say_goodbye": lambda asked: f"Goodbye {asked['name']}"}
    answer = await client.post(f"{BASE}/say-goodbye", json={"name": "Ada"})
    assert answer.json()["output"] == "Goodbye Ada"
    for other in ("__init__", "no-such-thing", "a.b"):
        assert (await client.post(f"{BASE}/{other}", json={})).status_code == 404


async def test_every_kind_of_answer_is_json_for_the_client(client: httpx2.AsyncClient, deployed: Any) -> None:
    kinds = (
        ([1, 2], [1, 2]),
        (None, None),
        ("text", "text"),
        (Payload(b"plain", PayloadKind.text), "plain"),
        (b"\x00\xff", {"data": "AP8="}),
    )
    await deployed.add("greeter", lambda number: kinds[number][0])
    for number, (_, told) in enumerate(kinds):
        assert (await client.post(f"{BASE}/predict", json=number)).json() == told
        assert (await client.post(f"{BASE}/infer", json=number)).json()["output"] == told
        promised = (await client.post(f"{BASE}/predict", json=number, headers=LATER)).json()
        assert (await answer_to(client, promised["poll_url"])).json() == told


async def test_warnings_are_told_beside_the_answer_and_cannot_break_out_of_their_header(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    warned = Payload(b"[null]", warnings=("non-finite", "x\r\nSet-Cookie: a=b"))
    await deployed.add("greeter", lambda _: warned)
    answer = await client.post(f"{BASE}/predict", json={})
    assert answer.json() == [None]
    assert answer.headers["x-model-warnings"] == "non-finite"
    assert "set-cookie" not in answer.headers


async def test_a_form_is_an_object_with_its_files_in_base64(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", lambda asked: asked)
    files = {"picture": ("cat.png", b"\x89PNG", "image/png")}
    answer = await client.post(f"{BASE}/predict", data={"title": "A cat"}, files=files)
    picture = {"data": "iVBORw==", "filename": "cat.png", "content_type": "image/png"}
    assert answer.json() == {"title": "A cat", "picture": picture}


async def test_an_answer_may_come_later(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    now = {
        path: (await client.post(f"{BASE}/{path}", json={"name": "Ada"})).json()
        for path in ("predict", "infer")
    }
    for path in ("predict", "infer"):
        promised = await client.post(f"{BASE}/{path}", json={"name": "Ada"}, headers=LATER)
        assert promised.status_code == 200
        assert promised.json()["poll_url"] == f"http://stentor/v1/requests/{promised.json()['response_id']}"
        later = (await answer_to(client, promised.json()["poll_url"])).json()
        assert later.pop("analytics", {}).keys() == now[path].pop("analytics", {}).keys()
        assert later == now[path]


async def test_many_answers_may_come_later(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    names = [f"number {number}" for number in range(10)]
    promised = [
        (await client.post(f"{BASE}/predict", json={"name": name}, headers=LATER)).json() for name in names
    ]
    answers = [(await answer_to(client, each["poll_url"])).json() for each in promised]
    assert answers == [{"greeting": f"Hello {name}"} for name in names]


async def test_a_failure_that_comes_later_is_told_as_the_answer(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", greet)
    now = await client.post(f"{BASE}/predict", json={})
    assert now.status_code == 422
    assert now.json()["error"]["code"] == "model_error"
    assert "KeyError: 'name'" in now.json()["error"]["message"]
    promised = (await client.post(f"{BASE}/predict", json={}, headers=LATER)).json()
    later = await answer_to(client, promised["poll_url"])
    assert later.status_code == 400
    assert later.json()["error"]["message"] == now.json()["error"]["message"]


async def test_what_comes_later_is_for_its_owner_alone(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    await deployed.add("greeter", greet)
    ada, eve = await sign_up("ada"), await sign_up("eve")
    promised = (await client.post(f"{BASE}/predict", json={"name": "Ada"}, headers=LATER | ada)).json()
    assert (await answer_to(client, promised["poll_url"], headers=ada)).status_code == 200
    assert (await client.get(promised["poll_url"], headers=eve)).status_code == 404
    assert (await client.get(f"/v1/responses/{promised['response_id']}", headers=eve)).status_code == 404


async def test_an_idempotency_key_makes_one_request_of_two(client: httpx2.AsyncClient, deployed: Any) -> None:
    calls: list[Any] = []
    await deployed.add("greeter", lambda asked: calls.append(asked))
    headers = LATER | {"Idempotency-Key": "once"}
    first, second = [
        (await client.post(f"{BASE}/predict", json={"name": "Ada"}, headers=headers)).json() for _ in range(2)
    ]
    assert first == second
    await answer_to(client, first["poll_url"])
    assert calls == [{"name": "Ada"}]


async def test_parts_come_as_lines_of_data_and_nothing_else(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", count)
    async with client.stream("POST", f"{BASE}/predict", json={"to": 3}, headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in answer.aiter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert [json.loads(line.removeprefix("data: ")) for line in lines[:-1]] == [
        {"number": 0},
        {"number": 1},
        {"number": 2},
    ]


async def test_a_failure_before_the_first_part_has_its_status(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", greet)
    deployed.driver.release(LoadFailed("the package has no model/model.py"))
    answer = await client.post(f"{BASE}/predict", json={"to": 3}, headers=STREAM)
    assert answer.status_code == 503
    assert "no model/model.py" in answer.json()["error"]["message"]


async def test_a_model_is_healthy_while_it_sleeps_and_is_woken_by_its_first_call(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", greet)
    health = await client.get(f"{BASE}/healthcheck")
    assert health.status_code == 200
    assert health.json() == {"status": "RUNNING", "async_enable": True, "healthy": "yes"}
    assert not deployed.driver.fleets
    assert (await client.post(f"{BASE}/predict", json={"name": "Ada"})).status_code == 200


async def test_clients_wait_for_what_is_being_built_and_give_up_what_needs_its_owner(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    for name, state, status, told in (
        ("building", RevisionState.building, 503, "SETUP_SERVICE"),
        ("loading", RevisionState.loading, 503, "SETUP_SERVICE"),
        ("failed", RevisionState.build_failed, 409, "STOPPED"),
        ("secretive", RevisionState.needs_secrets, 409, "STOPPED"),
    ):
        await deployed.announce(name, state)
        health = await client.get(f"/endpoints/{name}/healthcheck")
        assert health.status_code == status
        assert health.json() == {"status": told, "reason": state}
        assert (await client.post(f"/endpoints/{name}/predict", json={})).status_code == 409


async def test_a_model_that_does_not_start_is_not_healthy(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("greeter", greet)
    deployed.driver.release(LoadFailed("no"))
    assert (await client.post(f"{BASE}/predict", json={})).status_code == 503
    assert (await client.get(f"{BASE}/healthcheck")).status_code == 503


async def test_the_endpoint_that_is_always_there_stays_its_own(
    runtime: Runtime,
    settings: Settings,
    scripted: SttSettings,
    decoder: Decoder,
    model_services: list[Service],
    auth_parts: AuthParts,
) -> None:
    speech = build_stt(settings, scripted, decoder)
    app = create_app(runtime, [speech, *model_services], build_authenticator(runtime, auth_parts))
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://stentor") as client:
        answer = await client.post("/endpoints/whisper/predict", json={})
        assert "send the recording" in answer.json()["error"]["message"]
        health = await client.get("/endpoints/whisper/healthcheck")
        assert health.json()["reason"] == "no worker has reported yet"
        nobody = await client.post("/endpoints/nobody/predict", json={})
        assert nobody.json()["error"]["code"] == "deployment_not_found"


async def test_errors_name_the_request_where_the_client_looks(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", greet)
    for path, content, status in (
        ("/endpoints/nobody/predict", b"{}", 404),
        (f"{BASE}/predict", b"{", 400),
        (f"{BASE}/predict", b"", 400),
    ):
        answer = await client.post(path, content=content)
        assert answer.status_code == status
        assert answer.headers["x-user-request-id"] == answer.headers["x-request-id"]
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("deploy_settings", [DeploySettings(max_body_bytes=5_000_000)])
async def test_an_input_may_be_as_large_as_the_installation_says(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    await deployed.add("greeter", lambda asked: len(asked["text"]))
    assert (await client.post(f"{BASE}/predict", json={"text": "x" * 4_900_000})).json() == 4_900_000
    refused = await client.post(f"{BASE}/predict", json={"text": "x" * 5_000_000})
    assert refused.status_code == 413
    assert "5000000 bytes" in refused.json()["error"]["message"]


async def test_somebody_elses_model_is_not_there(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    ada, eve = await sign_up("ada"), await sign_up("eve")
    me = (await client.get("/v1/users/me", headers=ada)).json()["id"]
    await deployed.add("greeter", greet, owner=uuid.UUID(me))
    for headers, status in ((ada, 200), (eve, 404), ({}, 404)):
        assert (
            await client.post(f"{BASE}/predict", json={"name": "x"}, headers=headers)
        ).status_code == status
        assert (await client.get(f"{BASE}/healthcheck", headers=headers)).status_code == status
        assert (await client.get(BASE, headers=headers)).status_code == status
