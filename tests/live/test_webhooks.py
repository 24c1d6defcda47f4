"""A webhook arrives though the process that was sending it is killed: real processes, kill -9."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from stentor_common.jwt import generate_pem
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, Received, Receiver, receiver
from stentor_dev.distributed import Distributed, programs

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

WORKER = "stt-worker-1"


@pytest.fixture(scope="module")
def house() -> Iterator[Distributed]:
    with tempfile.TemporaryDirectory(prefix="stentor-script-") as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"texts": ["Hello."]}))
        settings = {
            "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
            "STENTOR_STT_ENGINE": "scripted",
            "STENTOR_STT_MODELS": json.dumps([str(script)]),
            "STENTOR_WEBHOOK_ALLOWED": json.dumps(LOOPBACK),
            "STENTOR_WEBHOOK_SECONDS": "2",
            "STENTOR_SWEEP_SECONDS": "0.3",
        }
        with Distributed(argvs=programs(workers=1), settings=settings) as started:
            yield started


async def signed_in(client: httpx2.AsyncClient) -> None:
    account = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    await client.post("/v1/users", json=account)
    answer = await client.post("/v1/token", json={"username": "ada", "password": account["password"]})
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


async def arrived(server: Receiver, number: int) -> Received:
    async def there() -> bool:
        return len(server.received) >= number

    await eventually(there, seconds=60)
    return server.received[number - 1]


async def test_what_a_killed_worker_was_sending_is_sent_by_another_process(house: Distributed) -> None:
    async with receiver() as server, httpx2.AsyncClient(base_url=house.url, timeout=30) as client:
        await signed_in(client)
        secret = (await client.post("/v1/webhooks/secrets")).json()["secret"]
        server.answers = [""]
        told = {"webhook_url": server.url}
        files = {"file": ("a.wav", sound())}
        job = (await client.post("/v1/transcriptions", files=files, data=told)).json()
        first = await arrived(server, 1)
        await asyncio.to_thread(house.kill, WORKER)

        second = await arrived(server, 2)
        for message in (first, second):
            body = Verifier(secret).verify(message.body, dict(message.headers))
            assert (body["type"], body["data"]["id"]) == ("transcription.completed", job["id"])
        assert first.headers["webhook-id"] == second.headers["webhook-id"]

        async def delivered() -> list[dict[str, Any]] | None:
            answer = await client.get(f"/v1/jobs/{job['id']}/webhooks")
            [log] = answer.json()["data"]
            return log["attempts"] if log["status"] == "delivered" else None

        attempts = await eventually(delivered)
    assert attempts
    assert [attempt["status_code"] for attempt in attempts] == [200]
