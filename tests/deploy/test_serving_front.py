"""The short way of plain calls, through the whole app: what it answers is what the framework would."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from prometheus_client import generate_latest

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_service as build_auth
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.front import PredictFront
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing import AnySpecs, FunctionDriver, KnownRoutes, no_lines, route, target

PATH = "/v1/deployments/iris/predict"
MOST = 1000
NOT_TAKEN = 404
"""This app has no route of that path: what is not taken is not there."""


@pytest.fixture
def routes() -> KnownRoutes:
    return KnownRoutes()


@pytest.fixture
def driver() -> FunctionDriver:
    return FunctionDriver()


@pytest.fixture
async def gateway(routes: KnownRoutes, driver: FunctionDriver) -> AsyncIterator[Gateway]:
    found = Gateway(routes, AnySpecs(), driver, DeploySettings(), no_lines)
    yield found
    await found.close()


@pytest.fixture
def services(auth_parts: AuthParts, gateway: Gateway) -> list[Service]:
    return [build_auth(auth_parts), Service("deploy", fronts=[PredictFront(gateway, MOST)])]


@pytest.fixture
def answers(routes: KnownRoutes, driver: FunctionDriver) -> Any:
    """Have `iris` answer what a function makes of its input."""

    def deploy(model: Any, **changed: Any) -> None:
        only = target(4)
        routes.routes["iris"] = route(only, **changed)
        driver.models[str(only.revision_id)] = model

    return deploy


async def test_a_plain_call_is_answered_with_what_the_model_gives(
    api: httpx2.AsyncClient, answers: Any
) -> None:
    answers(lambda rows: {"sum": sum(rows)})
    answer = await api.post(PATH, json=[1, 2], headers={"X-Request-Id": "mine"})
    assert answer.json() == {"sum": 3}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-stentor-revision"] == "4"
    assert answer.headers["x-request-id"] == "mine"
    assert "access-control-allow-origin" not in answer.headers


async def test_a_web_page_may_read_the_answer(api: httpx2.AsyncClient, answers: Any) -> None:
    answers(lambda rows: rows)
    answer = await api.post(PATH, json=1, headers={"Origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", [PATH + "/", PATH + "?revision=4"])
async def test_other_spellings_of_the_same_call(api: httpx2.AsyncClient, answers: Any, path: str) -> None:
    answers(lambda rows: rows)
    assert (await api.post(path, json="x")).json() == "x"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, {"Prefer": "respond-async"}),
        (PATH, {"Accept": "text/event-stream"}),
        (PATH, {"Content-Type": "text/plain"}),
        (PATH + "?webhook_url=https://example.com", {}),
        ("/v1/deployments/iris/predictions", {}),
    ],
)
async def test_what_wants_more_is_left_to_the_framework(
    api: httpx2.AsyncClient, answers: Any, path: str, headers: dict[str, str]
) -> None:
    answers(lambda rows: rows)
    answer = await api.post(path, content=b"1", headers={"Content-Type": "application/json"} | headers)
    assert answer.status_code == NOT_TAKEN
    assert answer.json()["error"]["message"].startswith("there is no such path")


async def test_only_the_owner_may_call_what_is_not_public(
    api: httpx2.AsyncClient, answers: Any, sign_up: Any
) -> None:
    owner, other = await sign_up("owner"), await sign_up("other")
    user = (await api.get("/v1/users/me", headers=owner)).json()["id"]
    answers(lambda rows: rows, public=False, owner_id=uuid.UUID(user))
    assert (await api.post(PATH, json=1, headers=owner)).json() == 1
    refused = await api.post(PATH, json=1, headers=other)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")


async def test_a_bad_token_is_refused_also_where_none_is_needed(
    api: httpx2.AsyncClient, answers: Any
) -> None:
    answers(lambda rows: rows)
    refused = await api.post(PATH, json=1, headers={"Authorization": "Bearer nonsense"})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
async def test_a_token_is_needed_where_the_installation_wants_one(
    api: httpx2.AsyncClient, answers: Any
) -> None:
    answers(lambda rows: rows)
    assert (await api.post(PATH, json=1)).status_code == 401


async def test_what_the_model_raises_is_told_as_all_errors_are(api: httpx2.AsyncClient, answers: Any) -> None:
    def broken(_: Any) -> Any:
        raise KeyError("rows")

    answers(broken)
    answer = await api.post(PATH, json=1)
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "message": "KeyError: 'rows'",
        "type": "invalid_request_error",
        "param": None,
        "code": "model_error",
    }


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [(b"[1,", 400, "not valid JSON"), (b"", 400, "not valid JSON"), (b"1" * (MOST + 1), 413, "1000 bytes")],
)
async def test_a_bad_body_is_refused_and_said_why(
    api: httpx2.AsyncClient, answers: Any, body: bytes, status: int, said: str
) -> None:
    answers(lambda rows: rows)
    answer = await api.post(PATH, content=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


async def test_a_body_in_pieces_is_put_together_and_bounded(api: httpx2.AsyncClient, answers: Any) -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        yield b"["
        for _ in range(count):
            yield b"1,"
        yield b"1]"

    answers(sum)
    assert (await api.post(PATH, content=pieces(9))).json() == 10
    assert (await api.post(PATH, content=pieces(MOST))).status_code == 413


async def test_a_defect_is_told_as_one_without_its_words(
    api: httpx2.AsyncClient, routes: KnownRoutes
) -> None:
    routes.routes["iris"] = "no route at all"  # type: ignore[assignment]
    answer = await api.post(PATH, json=1, headers={"X-Request-Id": "seven"})
    assert answer.status_code == 500
    assert answer.json()["error"]["message"].endswith("as request seven")


@pytest.mark.parametrize(
    ("media_type", "told"),
    [
        ("image/png", "image/png"),
        ("text/html\r\nset-cookie: a=b", "application/octet-stream"),
        (None, "application/octet-stream"),
    ],
)
async def test_a_model_says_what_its_bytes_are_and_nothing_else(
    api: httpx2.AsyncClient, answers: Any, media_type: str | None, told: str
) -> None:
    answers(
        lambda _: Payload(
            b"\x89", PayloadKind.bytes, media_type, warnings=("non-finite", "a\r\nset-cookie: a=b")
        )
    )
    answer = await api.post(PATH, json=1)
    assert (answer.content, answer.headers["content-type"]) == (b"\x89", told)
    assert answer.headers["x-model-warnings"] == "non-finite"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert "set-cookie" not in answer.headers


async def test_calls_are_counted_with_all_requests(
    api: httpx2.AsyncClient, answers: Any, runtime: Runtime
) -> None:
    answers(lambda rows: rows)
    await api.post(PATH, json=1)
    await api.post(PATH, content=b"nonsense")
    told = generate_latest(runtime.metrics.registry).decode()
    for status in ("2xx", "4xx"):
        labels = f'handler="/v1/deployments/{{name}}/predict",method="POST",status="{status}"'
        assert f"http_requests_total{{{labels}}} 1.0" in told


async def test_inputs_are_passed_on_as_they_came(api: httpx2.AsyncClient, answers: Any) -> None:
    answers(lambda value: value)
    body = {"text": "Grüße", "number": 12345678901234567890, "nested": [None, True, 1.5]}
    answer = await api.post(PATH, content=json.dumps(body))
    assert answer.json() == body
