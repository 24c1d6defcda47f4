"""Models in the distributed form: the API holds none, workers do what is wanted, and hear for others."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from stentor_common.adapters import resolve
from stentor_common.jwt import generate_pem
from stentor_common.queue import QUEUES, Broker, NoAnswer
from stentor_common.testing import eventually
from stentor_dev.distributed import Distributed
from stentor_dev.service import Service
from stentor_stt.engines import Piece
from stentor_stt.hearing import RemoteHearer
from stentor_stt.options import Options

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

TOKEN = "the operator's own token"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
WORKER = "stt-worker-1"


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="stentor-script-") as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"texts": ["Hello world."]}))
        yield str(script)


@pytest.fixture(scope="module")
def house(model: str) -> Iterator[Distributed]:
    settings = {
        "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
        "STENTOR_ADMIN_TOKEN": TOKEN,
        "STENTOR_STT_ENGINE": "scripted",
        "STENTOR_STT_MODELS": json.dumps([model]),
        "STENTOR_STT_IDLE_UNLOAD_SECONDS": "0",
    }
    with Distributed(settings=settings) as started:
        yield started


@pytest.fixture
def client(house: Distributed) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=house.url, timeout=30) as opened:
        yield opened


Told = Callable[..., Any]


@pytest.fixture
def told(client: httpx2.Client, model: str) -> Told:
    """Waits until the model is told to be as wanted."""

    async def until(**wanted: Any) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            found: dict[str, Any] = client.get(f"/v1/models/{model}").json()
            return found if wanted.items() <= found.items() else None

        found = await eventually(look, seconds=60)
        assert found
        return found

    return until


async def test_workers_load_pin_and_unload_what_the_operator_wants(
    client: httpx2.Client, model: str, told: Told
) -> None:
    answer = client.post(f"/v1/models/{model}/load", json={"pinned": True}, headers=OPERATOR)
    assert answer.status_code == 202
    await told(loaded=True, pinned=True, copies=1)
    answer = client.post(f"/v1/models/{model}/unload", headers=OPERATOR)
    assert answer.status_code == 202
    await told(loaded=False, pinned=False, copies=0)


async def test_what_is_pinned_is_loaded_by_a_worker_that_starts(
    house: Distributed, client: httpx2.Client, model: str, told: Told
) -> None:
    client.post(f"/v1/models/{model}/load", json={"pinned": True}, headers=OPERATOR)
    await told(loaded=True)
    house.stop(WORKER)
    await told(loaded=False, copies=0)
    house.start(WORKER)
    await told(loaded=True, pinned=True)


async def test_a_worker_hears_for_a_process_that_has_no_model(house: Distributed, model: str) -> None:
    worker = house.members[WORKER]
    assert isinstance(worker, Service)
    queue: Broker = await resolve(QUEUES, "amqp").open(worker.environment["STENTOR_QUEUE_URL"])
    try:
        hearer = RemoteHearer(queue)
        piece = Piece(np.ones(16_000, np.float32), Options())

        async def heard() -> str:
            try:
                found = await hearer.hear(model, piece, job="microphone", caller="ann", live=True)
            except NoAnswer:
                return ""
            return found.segments[0].text

        assert await eventually(heard, seconds=60) == "Hello world."
    finally:
        await asyncio.wait_for(queue.close(), 10)
