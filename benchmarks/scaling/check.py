"""The simulation beside the product: the same jobs at the same times, through both.

The product runs distributed on this machine, with two workers of one place each and an engine that sleeps for
as long as its recording lasts, so that the speed of the machine only matters for the platform itself.
"""

import asyncio
import json
import statistics
import tempfile
import time
import wave
from datetime import datetime
from pathlib import Path
from typing import Any

from load import Connection
from servers import signed_up, uploaded

from scaling.queueing import Job, Scaling, poisson, simulated
from stentor_dev.distributed import Distributed, programs

WORKERS = 2
SECONDS = 150.0
LOADS = (0.5, 0.8)
LENGTHS = (0.4, 0.8, 2.4)
"""Seconds of sound, equally often."""


def check() -> dict[str, Any]:
    """Waits of the product and of the simulation in seconds, for two loads."""
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
        script = Path(folder) / "script.json"
        script.write_text(json.dumps({"texts": ["hello"], "seconds_per_audio_second": 1.0}))
        settings = {
            "STENTOR_STT_ENGINE": "scripted",
            "STENTOR_STT_MODELS": json.dumps([str(script)]),
            "STENTOR_STT_JOBS_AT_ONCE": "1",
            "STENTOR_LOG_LEVEL": "warning",
        }
        with Distributed(argvs=programs(WORKERS), settings=settings) as system:
            headers = signed_up(system.url)
            uploads = [
                uploaded(system.url, headers, _sound(Path(folder) / f"{length}.wav", length))
                for length in LENGTHS
            ]
            own = asyncio.run(_own_seconds(system.url, headers, uploads))
            return {"platform_seconds_of_a_job": round(own, 3)} | {
                f"load_{load}": asyncio.run(_compared(system.url, headers, uploads, load, own))
                for load in LOADS
            }


async def _own_seconds(url: str, headers: dict[str, str], uploads: list[str]) -> float:
    """What a job keeps its worker busy beside its engine."""
    connection = await Connection(url, headers).open()
    taken = []
    for _ in range(10):
        for upload_id, length in zip(uploads, LENGTHS, strict=True):
            job = await _ended(connection, await _sent(connection, upload_id))
            taken.append(_moment(job["finished_at"]) - _moment(job["started_at"]) - length)
    return statistics.median(taken)


async def _compared(
    url: str, headers: dict[str, str], uploads: list[str], load: float, own: float
) -> dict[str, Any]:
    mean = statistics.mean(LENGTHS) + own
    jobs = poisson(lambda _: load * WORKERS / mean, SECONDS, lambda draw: draw.choice(LENGTHS), seed=1)
    connection = await Connection(url, headers).open()
    started, ids = time.perf_counter(), []
    for job in jobs:
        await asyncio.sleep(max(0.0, started + job.arrives - time.perf_counter()))
        ids.append(await _sent(connection, uploads[LENGTHS.index(job.works)]))
    ended = [await _ended(connection, each) for each in ids]
    waited = sorted(_moment(job["started_at"]) - _moment(job["created_at"]) for job in ended)
    foretold = simulated(
        [Job(job.arrives, job.works + own) for job in jobs], Scaling(WORKERS, WORKERS), begin_with=WORKERS
    )
    return {
        "jobs": len(jobs),
        "product": _spread(waited),
        "simulation": _spread(sorted(foretold.waits)),
    }


async def _sent(connection: Connection, upload_id: str) -> str:
    body = json.dumps({"upload_id": upload_id, "language": "en"}).encode()
    answer = await connection.ask("POST", "/v1/transcriptions", body, "Content-Type: application/json\r\n")
    return str(answer.json()["id"])


async def _ended(connection: Connection, job_id: str) -> dict[str, Any]:
    while True:
        answer = await connection.ask("GET", f"/v1/transcriptions/{job_id}")
        job = answer.json()
        if job["status"] == "completed":
            return job
        assert job["status"] in ("queued", "running"), job
        await asyncio.sleep(0.05)


def _spread(ordered: list[float]) -> dict[str, float]:
    return {
        "mean_s": round(statistics.mean(ordered), 2),
        "p50_s": round(statistics.median(ordered), 2),
        "p95_s": round(ordered[int(len(ordered) * 0.95)], 2),
    }


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _sound(path: Path, seconds: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x10\x10" * int(16_000 * seconds))
    return path
