"""The whole of deployments with real environments and processes: a package is uploaded, built and called."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_auth.parts import AuthParts
from stentor_auth.service import build_service as build_auth
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.testing import eventually
from stentor_deploy.service import build_service
from stentor_deploy.settings import DeploySettings
from stentor_deploy.testing_place import package

pytestmark = pytest.mark.live

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]
BASE = "/v1/deployments/model"
MODEL = """
import os

class Model:
    def load(self):
        print("loading here")
    def predict(self, model_input):
        if model_input == "end":
            os._exit(3)
        return {"process": os.getpid(), "doubled": [2 * each for each in model_input]}
"""
COUNTING = """
class Model:
    def predict(self, to):
        for number in range(to):
            yield f"{number} "
"""


@pytest.fixture
def services(settings: Settings, auth_parts: AuthParts) -> list[Service]:
    return [build_auth(auth_parts), build_service(settings, DeploySettings())]


@pytest.fixture
async def owner(client: httpx2.AsyncClient, sign_up: SignUp) -> httpx2.AsyncClient:
    client.headers.update(await sign_up("ada"))
    return client


async def deployed(owner: httpx2.AsyncClient, code: str, **fields: Any) -> dict[str, Any]:
    """The deployment, once its first revision is over."""
    files = {"archive": ("model.tar.gz", package(code))}
    made = await owner.post("/v1/deployments", files=files, data=fields)
    assert made.status_code == 202, made.text

    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await owner.get(BASE)).json()
        return found if found["latest"]["status"] not in ("queued", "building", "loading") else None

    found = await eventually(look, seconds=60)
    assert found
    return found


async def test_a_model_is_built_called_lost_and_started_again(owner: httpx2.AsyncClient) -> None:
    found = await deployed(owner, MODEL, examples="[[1, 2]]", requirements="")
    revision = found["latest"]
    assert revision["status"] == "ready", revision["reason"]
    built = (await owner.get(f"{BASE}/logs", params={"kind": "build"})).json()["data"]
    assert "loading here" in [line["line"] for line in built]
    first = (await owner.post(f"{BASE}/predict", json=[1])).json()
    assert first["doubled"] == [2]
    assert first["process"] != os.getpid()
    lost = await owner.post(f"{BASE}/predict", json="end")
    assert (lost.status_code, lost.json()["error"]["code"]) == (503, "model_crashed")

    async def again() -> bool:
        return bool((await owner.post(f"{BASE}/predict", json=[4])).json().get("doubled") == [8])

    await eventually(again, seconds=30)
    assert (await owner.get(f"{BASE}/metrics")).json()["data"][0]["serving"]["restarts"] == 1


async def test_many_calls_at_once_are_all_answered(owner: httpx2.AsyncClient) -> None:
    await deployed(owner, MODEL, requirements="")
    answers = await asyncio.gather(*[owner.post(f"{BASE}/predict", json=[n]) for n in range(50)])
    assert [answer.json()["doubled"] for answer in answers] == [[2 * n] for n in range(50)]


async def test_a_generator_is_streamed(owner: httpx2.AsyncClient) -> None:
    found = await deployed(owner, COUNTING, requirements="")
    assert found["latest"]["streams"]
    streamed = await owner.post(f"{BASE}/predict", json=3, headers={"accept": "text/event-stream"})
    assert streamed.text == 'data: "0 "\n\ndata: "1 "\n\ndata: "2 "\n\ndata: [DONE]\n\n'


async def test_a_model_that_does_not_load_says_why(owner: httpx2.AsyncClient) -> None:
    found = await deployed(owner, "import no_such_library\nclass Model: ...", requirements="")
    reason = found["latest"]["reason"]
    assert (found["latest"]["status"], reason["code"]) == ("load_failed", "load_failed")
    assert "no_such_library" in reason["message"]
    assert "Traceback" in reason["details"]
