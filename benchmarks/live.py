"""Live sessions with a real model: recorded speech is streamed at the speed at which it was spoken.

For each word: from the end of its sound to the moment at which its client is told that it is settled. For
each turn: from the end of its speech to its final text; the pause that ends a turn is 0.5 s of that. With one
session, with several, and with several while jobs are transcribed on the same model.
"""

import asyncio
import json
import statistics
import tempfile
import time
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from load import Connection
from servers import ROOT, all_in_one, signed_up, uploaded
from websockets.asyncio.client import ClientConnection, connect

MODELS = ("whisper-tiny.en", "whisper-base")
RATE = 16_000
CHUNK_SECONDS = 0.1
PAUSE_SECONDS = 1.2
APART_SECONDS = 0.37
"""Between the starts of sessions, so that they do not speak in chorus."""

SESSIONS = (1, 4, 8)


@dataclass
class Heard:
    """Latencies in seconds."""

    words: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        return {"word_settled_s": _spread(self.words), "final_after_speech_s": _spread(self.finals)}


def live() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in MODELS:
        with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
            settings = {"STENTOR_STT_MODELS": json.dumps([model]), "STENTOR_DATA_DIR": folder}
            with all_in_one(settings) as server:
                found[model] = asyncio.run(_measure(server.url, signed_up(server.url)))
    return found


async def _measure(url: str, headers: dict[str, str]) -> dict[str, Any]:
    clips = sorted((ROOT / "tests" / "speech").glob("*.wav"))
    sound = b"".join(_samples(clip) + bytes(int(RATE * PAUSE_SECONDS) * 2) for clip in clips)
    upload_id = uploaded(url, headers, clips[0])
    # The model is loaded, and has heard something.
    await _session(url, headers, sound[: RATE * 2 * 5], Heard())
    found: dict[str, Any] = {}
    for count in SESSIONS:
        found[f"{count}_sessions"] = (await _sessions(url, headers, sound, count)).summary()
    async with _jobs(url, headers, upload_id) as done:
        started = time.perf_counter()
        beside = await _sessions(url, headers, sound, SESSIONS[1])
        seconds = time.perf_counter() - started
    jobs = {"jobs_per_second": round(len(done) / seconds, 2)}
    found[f"{SESSIONS[1]}_sessions_beside_jobs"] = beside.summary() | jobs
    return found


async def _sessions(url: str, headers: dict[str, str], sound: bytes, count: int) -> Heard:
    heard = Heard()

    async def one(number: int) -> None:
        await asyncio.sleep(number * APART_SECONDS)
        await _session(url, headers, sound, heard)

    await asyncio.gather(*map(one, range(count)))
    return heard


async def _session(url: str, headers: dict[str, str], sound: bytes, heard: Heard) -> None:
    address = f"{url.replace('http', 'ws', 1)}/v1/transcriptions/live"
    async with connect(address, additional_headers=headers, compression=None) as socket:
        await socket.send(json.dumps({"language": "en"}))
        assert json.loads(await socket.recv())["type"] == "ready"
        started = time.perf_counter()
        speaking = asyncio.create_task(_speak(socket, sound, started))
        stopped_ms = 0
        async for message in socket:
            event, now = json.loads(message), time.perf_counter() - started
            match event["type"]:
                case "settled":
                    heard.words += [now - word["end_ms"] / 1000 for word in event["words"]]
                case "speech_stopped":
                    stopped_ms = event["end_ms"]
                case "final" if stopped_ms:
                    heard.finals.append(now - stopped_ms / 1000)
                case "error" | "failed":
                    raise RuntimeError(event)
        await speaking


async def _speak(socket: ClientConnection, sound: bytes, started: float) -> None:
    size = int(RATE * CHUNK_SECONDS) * 2
    for at in range(0, len(sound), size):
        spoken = started + min(at + size, len(sound)) / 2 / RATE
        await asyncio.sleep(spoken - time.perf_counter())
        await socket.send(sound[at : at + size])
    await socket.send('{"type": "finish"}')


@asynccontextmanager
async def _jobs(url: str, headers: dict[str, str], upload_id: str) -> AsyncIterator[list[None]]:
    """Two clients that submit a recording, wait for its text, and submit it again; ends of jobs so far."""
    done: list[None] = []
    body = json.dumps({"upload_id": upload_id, "language": "en"}).encode()

    async def submit() -> None:
        connection = await Connection(url, headers).open()
        kind = "Content-Type: application/json\r\nPrefer: wait=60\r\n"
        while True:
            answer = (await connection.ask("POST", "/v1/transcriptions", body, kind)).json()
            while answer["status"] in ("queued", "running"):
                await asyncio.sleep(0.05)
                answer = (await connection.ask("GET", f"/v1/transcriptions/{answer['id']}")).json()
            assert answer["status"] == "completed", answer
            done.append(None)

    clients = [asyncio.create_task(submit()) for _ in range(2)]
    try:
        yield done
    finally:
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


def _samples(clip: Path) -> bytes:
    with wave.open(str(clip)) as file:
        found: bytes = file.readframes(file.getnframes())
    return found


def _spread(latencies: list[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
    }
