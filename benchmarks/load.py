"""A load generator that costs little itself: raw HTTP/1.1 over kept connections, closed loop."""

import asyncio
import json
import statistics
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Connection:
    """One kept connection. Knows as much of HTTP as our own answers need: a Content-Length."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def open(self) -> "Connection":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()

    async def ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> Answer:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n{self._headers}{headers}"
            f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        status_line = await self._reader.readline()
        length = 0
        while (line := await self._reader.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return Answer(int(status_line.split()[1]), await self._reader.readexactly(length))


@dataclass(frozen=True, slots=True)
class Load:
    """What came of a run: latencies in milliseconds, jobs a second."""

    latencies: list[float]
    per_second: float

    def summary(self) -> dict[str, float]:
        ordered = sorted(self.latencies)
        return {
            "jobs": len(ordered),
            "p50_ms": round(statistics.median(ordered), 1),
            "p99_ms": round(ordered[int(len(ordered) * 0.99) - 1], 1),
            "jobs_per_second": round(self.per_second, 1),
        }


async def submit_and_wait(url: str, headers: dict[str, str], body: bytes, *, jobs: int, clients: int) -> Load:
    """`clients` each submit one job after the other and wait for its end, `jobs` in all."""
    latencies: list[float] = []
    left = iter(range(jobs))

    async def client() -> None:
        connection = await Connection(url, headers).open()
        for _ in left:
            started = time.perf_counter()
            answer = await connection.ask(
                "POST", "/v1/transcriptions", body, "Content-Type: application/json\r\nPrefer: wait=30\r\n"
            )
            latencies.append((time.perf_counter() - started) * 1000)
            if answer.status != 200 or answer.json()["status"] != "completed":
                raise RuntimeError(f"a job did not complete: {answer.status} {answer.body[:300]!r}")
        await connection.close()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return Load(latencies, jobs / (time.perf_counter() - started))
