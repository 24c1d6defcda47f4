"""Who asked for it is told when a text is spoken, and where its sound is."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually
from stentor_common.testing_receiver import LOOPBACK, Receiver, receiver

SignUp = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK, "public_url": "https://speech.example.com/"}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def told(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], server: Receiver, sign_up: SignUp
) -> AsyncIterator[Callable[[str], Awaitable[dict[str, Any]]]]:
    """Has a text spoken; gives what the server is told, if it can be trusted."""
    owner = await sign_up("ada")

    async def tell(text: str) -> dict[str, Any]:
        secret = (await client.post("/v1/webhooks/secrets", headers=owner)).json()["secret"]
        wish = {"text": text, "webhook_url": f"{server.url}/done"}
        assert (await client.post("/v1/speech", json=wish, headers=owner)).status_code == 202

        async def arrived() -> bool:
            return bool(server.received)

        await eventually(arrived)
        message = server.received[0]
        found: dict[str, Any] = Verifier(secret).verify(message.body, dict(message.headers))
        return found

    async with background(runtime, services):
        yield tell


async def test_the_end_is_told_with_the_address_of_the_sound(
    told: Callable[[str], Awaitable[dict[str, Any]]], client: httpx2.AsyncClient
) -> None:
    event = await told("Hello world.")
    assert event["type"] == "speech.completed"
    data = event["data"]
    assert data["links"]["self"] == f"https://speech.example.com/v1/speech/{data['id']}"
    assert data["audio_url"] == f"{data['links']['self']}/audio.mp3"
    assert data["duration_ms"] > 0
    assert not data.keys() & {"sentences", "words"}
    assert (await client.get(data["audio_url"].removeprefix("https://speech.example.com"))).status_code == 200


@pytest.mark.parametrize("voice_script", [{"cannot_say": ["Hm."]}])
async def test_a_failure_is_told_with_its_reason(
    told: Callable[[str], Awaitable[dict[str, Any]]],
) -> None:
    event = await told("Hm.")
    assert (event["type"], event["data"]["error"]["code"]) == ("speech.failed", "cannot_say")
    assert event["data"]["audio_url"] is None
