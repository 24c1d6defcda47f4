"""What any host does with any request: errors in the words of each contract, ids, probes, metrics."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError

from stentor_common.host import create_app
from stentor_common.jobs.repository import JobRepository
from stentor_common.problems import Problem
from stentor_common.requests import RuntimeDep, VisitorDep
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.sweep import count_active
from stentor_common.testing import new_job
from stentor_common.wire import Wire

SECRET = "hunter2-and-a-path-/etc/shadow"


class Wish(Wire):
    count: int


def build_router(prefix: str) -> APIRouter:
    router = APIRouter(prefix=prefix)

    @router.post("/wishes")
    async def wish(body: Wish) -> dict[str, int]:
        return {"count": body.count}

    @router.get("/crash")
    async def crash() -> None:
        raise RuntimeError(SECRET)

    @router.get("/database")
    async def database(runtime: RuntimeDep) -> None:
        async with runtime.db.reading():
            raise OperationalError(SECRET, {}, OSError(SECRET))

    @router.get("/refused")
    async def refused(runtime: RuntimeDep) -> None:
        async with runtime.begin():
            raise ConnectionRefusedError(SECRET)

    @router.get("/me")
    async def me(caller: VisitorDep) -> dict[str, str]:
        return {"key": caller.key}

    return router


def build_raw_router() -> APIRouter:
    router = APIRouter(prefix="/v1/test")

    @router.post("/things/{name}/raw")
    async def take(name: str, request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    return router


def in_capitals(problem: Problem) -> Response:
    return JSONResponse({"SORRY": problem.message}, problem.status)


class Nobody:
    async def identify(self, credential: str) -> Any:
        raise AssertionError("no test here sends a credential")

    async def close(self) -> None: ...


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    service = Service(
        name="test",
        routers=[build_router("/v1/test"), build_router("/old")],
        raw_routers=[build_raw_router()],
        error_styles={"/old": in_capitals},
    )
    return create_app(runtime, [service], Nobody())


@pytest.fixture
def no_log_of_crashes() -> Iterator[None]:
    """The error goes on to the server, which logs it; there is none here."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "said"),
    [
        ("POST", "/v1/test/wishes", "{", 400, "invalid_json", "not valid JSON"),
        ("POST", "/v1/test/wishes", '{"count": "x"}', 400, "invalid_request", "count: "),
        ("POST", "/v1/test/wishes", '{"count": 1, "more": 2}', 400, "invalid_request", "more: "),
        ("POST", "/v1/test/wishes", '{"count": 1', 400, "invalid_json", "not valid JSON"),
        ("GET", "/v1/nothing", None, 404, "not_found", "no such path"),
        ("GET", "/nothing", None, 404, "not_found", "no such path"),
        ("PUT", "/v1/test/wishes", None, 405, "method_not_allowed", "does not take that method"),
        ("GET", "/v1/test/database", None, 503, "database_unavailable", "database"),
        ("GET", "/v1/test/refused", None, 503, "database_unavailable", "database"),
        ("GET", "/v1/jobs/nothing", None, 404, "not_found", "no job"),
    ],
)
async def test_errors_are_told_in_one_shape(  # noqa: PLR0913
    api: httpx2.AsyncClient, method: str, path: str, body: str | None, status: int, code: str, said: str
) -> None:
    answer = await api.request(method, path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert said in error["message"]
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/old/wishes", "{", 400),
        ("POST", "/old/wishes", '{"count": "x"}', 400),
        ("GET", "/old/nothing", None, 404),
        ("PUT", "/old/wishes", None, 405),
        ("GET", "/old/database", None, 503),
        ("GET", "/old/crash", None, 500),
        ("POST", "/old/wishes", '{"count": "' + "x" * 5000 + '"}', 413),
    ],
)
@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 4000}])
@pytest.mark.usefixtures("no_log_of_crashes")
async def test_a_contract_has_its_own_words_for_every_error(
    api: httpx2.AsyncClient, method: str, path: str, body: str | None, status: int
) -> None:
    answer = await api.request(method, path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert answer.json().keys() == {"SORRY"}


@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 4000}])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused_with_the_limit(
    api: httpx2.AsyncClient, announced: bool
) -> None:
    content = b'{"count": "' + b"x" * 5000 + b'"}'

    async def chunks() -> Any:
        for start in range(0, len(content), 1000):
            yield content[start : start + 1000]

    answer = await api.post(
        "/v1/test/wishes",
        content=content if announced else chunks(),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert "4000 bytes" in answer.json()["error"]["message"]


@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 4000}])
async def test_a_path_that_takes_files_takes_larger_bodies_whatever_its_parameters(
    api: httpx2.AsyncClient,
) -> None:
    answer = await api.post("/v1/test/things/this-one/raw/", content=b"x" * 5000)
    assert answer.json() == {"bytes": 5000}


@pytest.mark.usefixtures("no_log_of_crashes")
async def test_a_crash_leaks_nothing_and_names_the_request(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/test/crash", headers={"x-request-id": "my-id"})
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "my-id" in answer.json()["error"]["message"]
    assert SECRET not in answer.text


async def test_the_database_that_is_away_asks_for_patience(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/v1/test/database")
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize("slashes", ["", "/", "//"])
async def test_paths_are_served_with_and_without_a_slash(api: httpx2.AsyncClient, slashes: str) -> None:
    answer = await api.post(f"/v1/test/wishes{slashes}", json={"count": 3})
    assert (answer.status_code, answer.json()) == (200, {"count": 3})


@pytest.mark.parametrize(("sent", "kept"), [("a.b-c_1", True), ("two words", False), ("x" * 65, False)])
async def test_a_request_keeps_a_sound_id_of_its_own(api: httpx2.AsyncClient, sent: str, kept: bool) -> None:
    answer = await api.get("/healthz", headers={"x-request-id": sent})
    assert (answer.headers["x-request-id"] == sent) is kept
    assert answer.headers["x-request-id"]


async def test_a_browser_may_ask_from_any_page(api: httpx2.AsyncClient) -> None:
    asked = {
        "Origin": "null",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-access-token, content-type",
    }
    answer = await api.options("/v1/test/wishes", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-access-token" in answer.headers["access-control-allow-headers"].lower()
    assert "POST" in answer.headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("198.51.100.7", "address:198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "address:2001:db8:1:2::/64"),
    ],
)
async def test_a_stranger_is_known_by_address_or_network(app: FastAPI, address: str, key: str) -> None:
    transport = httpx2.ASGITransport(app=app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://stentor") as client:
        assert (await client.get("/v1/test/me")).json() == {"key": key}


async def test_ready_means_that_everything_answers(api: httpx2.AsyncClient) -> None:
    assert (await api.get("/healthz")).json() == {"status": "ok"}
    answer = await api.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "queue": "ok", "store": "ok"}


async def test_who_is_stopping_is_alive_but_not_ready(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    runtime.stopping.set()
    assert (await api.get("/healthz")).status_code == 200
    answer = await api.get("/readyz")
    assert (answer.status_code, answer.json()["process"]) == (503, "is stopping")


async def test_metrics_show_requests_but_not_probes(api: httpx2.AsyncClient) -> None:
    await api.post("/v1/test/wishes", json={"count": 3})
    await api.get("/healthz")
    shown = (await api.get("/metrics")).text
    assert 'handler="/v1/test/wishes"' in shown
    assert 'handler="/healthz"' not in shown


async def test_metrics_show_jobs_by_queue_and_state(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    async with runtime.begin() as work:
        for _ in range(2):
            await JobRepository(work.session).add(new_job(), owner_id=None, now=runtime.clock.now())
    await count_active(runtime)
    shown = (await api.get("/metrics")).text
    assert 'stentor_jobs_active{queue="test",state="queued"} 2.0' in shown


async def test_the_contract_tells_how_credentials_are_sent(api: httpx2.AsyncClient) -> None:
    schemes = (await api.get("/openapi.json")).json()["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["accessToken"]["name"] == "x-access-token"


async def test_the_reference_page_needs_no_other_host(api: httpx2.AsyncClient) -> None:
    page = (await api.get("/docs")).text
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert files
    assert [file for file in files if not file.startswith("/")] == []
    for file in files:
        assert (await api.get(file)).status_code == 200


async def test_requests_are_counted_by_the_template_of_their_path(api: httpx2.AsyncClient) -> None:
    await api.get("/v1/jobs/one")
    await api.get("/v1/jobs/two/")
    await api.get("/healthz")
    await api.get("/no/such/path")
    told = (await api.get("/metrics")).text.splitlines()
    counted = {line for line in told if line.startswith("http_requests_total")}
    assert counted == {
        'http_requests_total{handler="/v1/jobs/{job_id}",method="GET",status="4xx"} 2.0',
        'http_requests_total{handler="none",method="GET",status="4xx"} 1.0',
    }
