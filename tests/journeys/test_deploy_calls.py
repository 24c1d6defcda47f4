"""Calls to a deployed model: answers at once, bit by bit, and later; and what is known of them afterwards."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_authenticator
from stentor_common.host import create_app
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing_place import package

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/v1/deployments/model"
LATER = {"Prefer": "respond-async"}
ANY = """
class Model:
    def predict(self, asked):
        if isinstance(asked, dict) and "fail" in asked:
            raise ValueError(asked["fail"])
        return asked
    def describe(self, asked):
        return {"described": asked}
"""
COUNTING = """
class Model:
    def predict(self, to):
        for number in range(to):
            if number == 3:
                raise ValueError("three is too many")
            yield {"number": number}
"""
STUCK = """
import asyncio
class Model:
    async def predict(self, asked):
        await asyncio.Event().wait()
"""


@pytest.fixture
def services(installed: list[Service]) -> list[Service]:
    return installed


@pytest.fixture
def installed_settings() -> DeploySettings:
    return DeploySettings(max_body_bytes=100_000)


@pytest.fixture
async def owner(sign_up: SignUp) -> Headers:
    return await sign_up("ada")


@pytest.fixture
def code() -> str:
    """Tests replace it."""
    return ANY


@pytest.fixture
async def model(client: httpx2.AsyncClient, owner: Headers, code: str) -> httpx2.AsyncClient:
    """A client of its owner, once the model is ready."""
    client.headers.update(owner)
    files, patient = {"archive": ("model.tgz", package(code))}, {"Prefer": "wait=30"}
    made = await client.post("/v1/deployments", files=files, headers=patient)
    assert (made.status_code, made.json()["status"]) == (202, "ready")
    assert made.headers["preference-applied"] == "wait=30"
    return client


async def told(client: httpx2.AsyncClient, prediction: str) -> dict[str, Any]:
    """A prediction, once it is over: then its events are."""
    await client.get(f"/v1/jobs/{prediction}/events")
    found: dict[str, Any] = (await client.get(f"/v1/predictions/{prediction}")).json()
    return found


@pytest.mark.parametrize("asked", [1, None, "text", [1.5, [True]], {"key": "ü"}, "x" * 90_000])
async def test_any_json_goes_in_and_comes_out(model: httpx2.AsyncClient, asked: Any) -> None:
    answer = await model.post(f"{BASE}/predict", content=json.dumps(asked))
    assert (answer.status_code, answer.json()) == (200, asked)
    assert answer.headers["content-type"] == "application/json"


async def test_text_and_bytes_go_in_as_they_are(model: httpx2.AsyncClient) -> None:
    text = await model.post(f"{BASE}/predict", content="grüß", headers={"content-type": "text/plain"})
    assert text.json() == "grüß"
    sound = await model.post(f"{BASE}/predict", content=b"\x00\xff", headers={"content-type": "audio/wav"})
    assert (sound.content, sound.headers["content-type"]) == (b"\x00\xff", "application/octet-stream")


@pytest.mark.parametrize("headers", [{}, {"x-more": "1", "accept": "text/html, */*"}])
async def test_what_cannot_be_read_is_refused(model: httpx2.AsyncClient, headers: Headers) -> None:
    broken = await model.post(
        f"{BASE}/predict", content=b"{", headers={**headers, "content-type": "application/json"}
    )
    assert (broken.status_code, "valid JSON" in broken.json()["error"]["message"]) == (400, True)
    large = await model.post(f"{BASE}/predict", json="x" * 100_001, headers=headers)
    assert (large.status_code, "100000 bytes" in large.json()["error"]["message"]) == (413, True)


async def test_further_methods_are_called_by_name(model: httpx2.AsyncClient) -> None:
    assert (await model.get(f"{BASE}")).json()["latest"]["methods"] == ["describe"]
    answer = await model.post(f"{BASE}/methods/describe", json=1)
    assert answer.json() == {"described": 1}
    assert (await model.post(f"{BASE}/methods/nothing", json=1)).status_code == 404


async def test_what_the_model_raises_is_told_and_its_traceback_to_its_owner(
    model: httpx2.AsyncClient,
) -> None:
    headers = {"x-request-id": "the-one"}
    failed = await model.post(f"{BASE}/predict", json={"fail": "no such flower"}, headers=headers)
    assert failed.status_code == 422
    assert failed.json()["error"]["code"] == "model_error"
    assert "no such flower" in failed.json()["error"]["message"]
    assert "a traceback" not in failed.text

    async def logged() -> list[Any]:
        lines = (await model.get(f"{BASE}/logs")).json()["data"]
        return [(each["line"], each["request_id"]) for each in lines if each["stream"] == "stderr"]

    assert await eventually(logged) == [("a traceback", "the-one")]


@pytest.mark.parametrize("code", [COUNTING])
async def test_an_answer_comes_in_parts_as_it_is_made(model: httpx2.AsyncClient) -> None:
    streamed = await model.post(f"{BASE}/predict", json=2, headers={"accept": "text/event-stream"})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text == 'data: {"number": 0}\n\ndata: {"number": 1}\n\ndata: [DONE]\n\n'
    broken = await model.post(f"{BASE}/predict", json=9, headers={"accept": "text/event-stream"})
    assert "event: error\n" in broken.text
    assert "[DONE]" not in broken.text


async def test_an_answer_comes_later_and_is_kept_for_a_day(model: httpx2.AsyncClient) -> None:
    promised = await model.post(f"{BASE}/predict", json={"key": 1}, headers=LATER)
    assert promised.status_code == 202
    found = await told(model, promised.json()["id"])
    assert (found["status"], found["output"], found["revision"]) == ("completed", {"key": 1}, 1)
    assert promised.headers["location"].endswith(f"/v1/predictions/{found['id']}")
    given = await model.get(f"/v1/predictions/{found['id']}/output")
    assert (given.json(), given.headers["x-stentor-revision"]) == ({"key": 1}, "1")
    assert (await model.get(f"/v1/responses/{found['id']}")).json() == {"key": 1}
    kept_until = datetime.fromisoformat(found["expires_at"])
    assert kept_until - datetime.fromisoformat(found["created_at"]) == timedelta(hours=24)


async def test_a_process_without_models_tells_an_answer_in_the_same_words(
    model: httpx2.AsyncClient, owner: Headers, runtime: Runtime, auth_parts: AuthParts
) -> None:
    """Where services run apart one of them has the path, whatever the answer is of."""
    promised = (await model.post(f"{BASE}/predictions", json={"key": 1})).json()
    await told(model, promised["id"])
    other = create_app(runtime, [], build_authenticator(runtime, auth_parts))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=other), base_url="http://other"
    ) as client:
        answer = await client.get(f"/v1/responses/{promised['id']}", headers=owner)
    assert (answer.status_code, answer.json()) == (200, {"key": 1})


@pytest.mark.parametrize(
    ("content", "kind", "output"),
    [
        (b"\x00\xff", "audio/wav", {"media_type": None, "base64": "AP8="}),
        (b"grey", "text/plain", "grey"),
        (json.dumps("x" * 90_000).encode(), "application/json", "x" * 90_000),
    ],
)
async def test_inputs_of_any_kind_and_size_wait_for_their_turn(
    model: httpx2.AsyncClient, content: bytes, kind: str, output: Any
) -> None:
    promised = await model.post(f"{BASE}/predictions", content=content, headers={"content-type": kind})
    assert (await told(model, promised.json()["id"]))["output"] == output


async def test_a_later_answer_that_fails_says_why(model: httpx2.AsyncClient) -> None:
    promised = await model.post(f"{BASE}/predictions", json={"fail": "no such flower"})
    found = await told(model, promised.json()["id"])
    assert (found["status"], found["error"]["code"], found["output"]) == ("failed", "model_error", None)
    assert (await model.get(f"/v1/predictions/{found['id']}/output")).status_code == 400


async def test_a_request_that_is_repeated_makes_one_prediction(model: httpx2.AsyncClient) -> None:
    keyed = LATER | {"Idempotency-Key": "once"}
    first = await model.post(f"{BASE}/predict", json=1, headers=keyed)
    second = await model.post(f"{BASE}/predict", json=1, headers=keyed)
    assert second.json()["id"] == first.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert (await model.post(f"{BASE}/predict", json=2, headers=keyed)).status_code == 409


@pytest.mark.parametrize("code", [STUCK])
async def test_a_prediction_that_runs_can_be_cancelled(model: httpx2.AsyncClient) -> None:
    promised = (await model.post(f"{BASE}/predictions", json=1)).json()

    async def runs() -> bool:
        return bool((await model.get(f"/v1/predictions/{promised['id']}")).json()["status"] == "running")

    await eventually(runs)
    cancelled = await model.post(f"/v1/predictions/{promised['id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"

    async def idle() -> bool:
        [use] = (await model.get(f"{BASE}/metrics")).json()["data"]
        return bool(use["serving"]["in_flight"] == 0)

    await eventually(idle)


async def test_a_prediction_is_its_askers_alone(
    model: httpx2.AsyncClient, sign_up: SignUp, owner: Headers
) -> None:
    promised = (await model.post(f"{BASE}/predictions", json=1)).json()
    other = await sign_up("grace")
    assert (await model.get(f"/v1/predictions/{promised['id']}", headers=other)).status_code == 404
    assert (await model.post(f"{BASE}/predictions", json=1, headers=other)).status_code == 404


async def test_calls_are_counted_by_revision(model: httpx2.AsyncClient) -> None:
    await asyncio.gather(*[model.post(f"{BASE}/predict", json=1) for _ in range(3)])
    await model.post(f"{BASE}/predict", json={"fail": "x"})
    [use] = (await model.get(f"{BASE}/metrics")).json()["data"]
    assert (use["revision"], use["calls"], use["errors"], len(use["hours"])) == (1, 4, 1, 1)
    assert use["serving"]["state"] == "ready"
    metrics = (await model.get("/metrics")).text
    assert 'stentor_model_calls_total{deployment="model",outcome="ok",revision="1"} 3.0' in metrics
