"""Live sessions in the distributed form: through the proxy, heard by a worker over the broker."""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from stentor_dev.distributed import Distributed, programs

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

WORKER = "stt-worker-1"
SAID = "Hello world. How are you?"
COMPLETED = "conversation.item.input_audio_transcription.completed"


@pytest.fixture(scope="module")
def house() -> Iterator[Distributed]:
    with tempfile.TemporaryDirectory(prefix="stentor-script-") as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"texts": ["Hello world.", "How are you?"]}))
        settings = {"STENTOR_STT_ENGINE": "scripted", "STENTOR_STT_MODELS": json.dumps([str(script)])}
        with Distributed(argvs=programs(workers=1), settings=settings) as started:
            yield started


@asynccontextmanager
async def socket(house: Distributed, path: str) -> AsyncIterator[ClientConnection]:
    async with connect(house.url.replace("http", "ws", 1) + path) as opened:
        yield opened


def noise(seconds: float) -> bytes:
    samples = 3000 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    return samples.astype("<i2").tobytes()


async def until(client: ClientConnection, kind: str) -> list[dict[str, Any]]:
    events = []
    async for message in client:
        events.append(json.loads(message))
        if events[-1]["type"] == kind:
            return events
    raise AssertionError(f"no {kind} came, but {events}")


async def test_a_worker_hears_what_a_client_says_to_the_api(house: Distributed) -> None:
    async with socket(house, "/v1/transcriptions/live") as client:
        await client.send("{}")
        await until(client, "ready")
        await client.send(noise(2) + bytes(32_000))
        await client.send('{"type": "finish"}')
        events = await until(client, "done")
    assert [event["text"] for event in events if event["type"] == "final"] == [SAID]


async def test_realtime_clients_are_served_through_the_proxy(house: Distributed) -> None:
    async with socket(house, "/v1/realtime?intent=transcription") as client:
        await until(client, "session.created")
        audio = base64.b64encode(noise(1)).decode()
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await client.send('{"type": "input_audio_buffer.commit"}')
        assert (await until(client, COMPLETED))[-1]["transcript"] == SAID


async def test_microphones_are_served_through_the_proxy(house: Distributed) -> None:
    async with socket(house, "/api/v1/mic") as client:
        await client.send(bytes(2048))
        assert await client.recv() == ""


async def test_a_worker_that_dies_and_comes_back_costs_a_session_nothing(house: Distributed) -> None:
    async with socket(house, "/v1/transcriptions/live") as client:
        await client.send("{}")
        await until(client, "ready")
        await asyncio.to_thread(house.kill, WORKER)
        await client.send(noise(2))
        await client.send('{"type": "finish"}')
        await asyncio.to_thread(house.start, WORKER)
        events = await until(client, "done")
    assert [event["text"] for event in events if event["type"] == "final"] == [SAID]
