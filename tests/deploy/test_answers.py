"""What is told beside a model's answer, by whichever of the two ways of a call it comes."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_service as build_auth
from stentor_common.service import Service
from stentor_deploy.api import calls
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.front import PredictFront
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing import AnySpecs, FunctionDriver, KnownRoutes, no_lines, route, target

PATH = "/v1/deployments/iris/predict"
SPLIT = "text/html\r\nset-cookie: a=b"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    routes, driver, only = KnownRoutes(), FunctionDriver(), target(4)
    routes.routes["iris"] = route(only)
    driver.models[str(only.revision_id)] = lambda _: Payload(
        b"\x89", PayloadKind.bytes, SPLIT, warnings=("non-finite", "a\r\nset-cookie: a=b")
    )
    found = Gateway(routes, AnySpecs(), driver, DeploySettings(), no_lines)
    yield found
    await found.close()


@pytest.fixture
def services(auth_parts: AuthParts, gateway: Gateway) -> list[Service]:
    settings = DeploySettings()
    deploy = Service(
        "deploy",
        settings,
        raw_routers=[calls.raw_router],
        fronts=[PredictFront(gateway, settings.max_body_bytes)],
        resources=[gateway],
    )
    return [build_auth(auth_parts), deploy]


@pytest.mark.parametrize("kind", ["application/json", "text/plain"], ids=["short way", "framework's"])
async def test_a_model_puts_nothing_into_the_headers(api: httpx2.AsyncClient, kind: str) -> None:
    answer = await api.post(PATH, content=b"1", headers={"Content-Type": kind})
    assert (answer.content, answer.headers["content-type"]) == (b"\x89", "application/octet-stream")
    assert answer.headers["x-stentor-revision"] == "4"
    assert answer.headers["x-model-warnings"] == "non-finite"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers
