"""Who asked for it is told when a model is built, and when an answer is there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_common.testing_receiver import LOOPBACK, Receiver, receiver
from stentor_common.webhooks.delivery import Deliverer, delivering
from stentor_deploy.testing_place import package

SignUp = Callable[[str], Awaitable[dict[str, str]]]
Told = Callable[[], Awaitable[dict[str, Any]]]

BASE = "/v1/deployments"


@pytest.fixture
def services(installed: list[Service]) -> list[Service]:
    return installed


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK, "public_url": "https://models.example.com/"}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def owner(client: httpx2.AsyncClient, sign_up: SignUp) -> httpx2.AsyncClient:
    client.headers.update(await sign_up("ada"))
    return client


@pytest.fixture
async def told(
    owner: httpx2.AsyncClient, runtime: Runtime, services: list[Service], server: Receiver
) -> AsyncIterator[Told]:
    """Gives what the server is told next, if it can be trusted."""
    secret = (await owner.post("/v1/webhooks/secrets")).json()["secret"]

    async def next_event() -> dict[str, Any]:
        async def arrived() -> bool:
            return bool(server.received)

        await eventually(arrived)
        message = server.received.pop(0)
        found: dict[str, Any] = Verifier(secret).verify(message.body, dict(message.headers))
        return found

    async with delivering(runtime, [Deliverer(runtime, service) for service in services if service.handlers]):
        yield next_event


async def test_the_end_of_a_build_and_an_answer_are_told(
    owner: httpx2.AsyncClient, server: Receiver, told: Told
) -> None:
    files, url = {"archive": ("model.tgz", package())}, f"{server.url}/done"
    await owner.post(BASE, files=files, data={"webhook_url": url})
    built = await told()
    assert (built["type"], built["data"]["state"]) == ("deployment.completed", "ready")
    assert (built["data"]["revision"], built["data"]["error"]) == (1, None)
    promised = await owner.post(f"{BASE}/model/predict", json=[1, 2], params={"webhook_url": url})
    assert promised.status_code == 202
    answered = await told()
    assert answered["type"] == "prediction.completed"
    assert (answered["data"]["id"], answered["data"]["output"]) == (promised.json()["id"], [2, 4])
    link = f"https://models.example.com/v1/predictions/{promised.json()['id']}"
    assert answered["data"]["links"] == {"self": link}


async def test_a_build_that_fails_is_told_with_its_reason(
    owner: httpx2.AsyncClient, server: Receiver, told: Told
) -> None:
    files = {"archive": ("model.tgz", package("class Model: ..."))}
    await owner.post(BASE, files=files, data={"webhook_url": f"{server.url}/done"})
    built = await told()
    assert built["type"] == "deployment.failed"
    assert built["data"]["error"]["code"] == "load_failed"
