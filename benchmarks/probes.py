"""How soon probes answer while jobs with a real model run: what decides whether an orchestrator kills a pod
that is only busy."""

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from engine import joined
from load import Connection
from servers import ROOT, all_in_one, signed_up, uploaded

MODEL = "whisper-base"
JOBS = 8
SECONDS = 30
PAUSE_SECONDS = 0.02
RECORDING_CLIPS = 40
"""So long a recording that no job ends while it is measured."""

PROBES = ("/healthz", "/readyz")


def probes() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        clips = sorted((ROOT / "tests" / "speech").glob("*.wav")) * RECORDING_CLIPS
        recording = joined(clips, Path(folder) / "long.wav")
        settings = {"STENTOR_STT_MODELS": json.dumps([MODEL]), "STENTOR_STT_JOBS_AT_ONCE": str(2 * JOBS)}
        with all_in_one(settings | {"STENTOR_DATA_DIR": folder}) as server:
            headers = signed_up(server.url)
            upload_id = uploaded(server.url, headers, recording)
            return asyncio.run(_measure(server.url, headers, upload_id))


async def _measure(url: str, headers: dict[str, str], upload_id: str) -> dict[str, Any]:
    connection = await Connection(url, headers).open()
    found: dict[str, Any] = {"idle": await _probed(connection)}
    body = json.dumps({"upload_id": upload_id, "language": "en"}).encode()
    ids = []
    for _ in range(JOBS):
        answer = await connection.ask(
            "POST", "/v1/transcriptions", body, "Content-Type: application/json\r\n"
        )
        ids.append(answer.json()["id"])
    while await _running(connection, ids) < JOBS:  # noqa: ASYNC110 - it happens in another process
        await asyncio.sleep(0.2)
    found[f"while_{JOBS}_jobs_run"] = await _probed(connection)
    assert await _running(connection, ids) == JOBS, "a job ended while it was measured"
    return found


async def _probed(connection: Connection) -> dict[str, Any]:
    found: dict[str, list[float]] = {path: [] for path in PROBES}
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        for path, taken in found.items():
            started = time.perf_counter()
            answer = await connection.ask("GET", path)
            taken.append((time.perf_counter() - started) * 1000)
            assert answer.status == 200, answer
        await asyncio.sleep(PAUSE_SECONDS)
    return {path: _spread(taken) for path, taken in found.items()}


async def _running(connection: Connection, ids: list[str]) -> int:
    states = [(await connection.ask("GET", f"/v1/transcriptions/{each}")).json()["status"] for each in ids]
    return states.count("running")


def _spread(taken: list[float]) -> dict[str, float]:
    ordered = sorted(taken)
    return {
        "count": len(ordered),
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[int(len(ordered) * 0.99) - 1], 1),
        "worst_ms": round(ordered[-1], 1),
    }
