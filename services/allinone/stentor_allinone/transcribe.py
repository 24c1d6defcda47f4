"""`stentor transcribe`: send a file, show how far it is, return what was said."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stentor_allinone.client import Refused, connected, told

__all__ = ["Asked", "Format", "Refused", "transcribe"]


class Format(StrEnum):
    text = "text"
    srt = "srt"
    vtt = "vtt"
    json = "json"


@dataclass(frozen=True, slots=True)
class Asked:
    file: Path
    format: Format
    options: Mapping[str, str]
    """Fields of the request, as the API names them."""


async def transcribe(asked: Asked, server: str, token: str) -> str:
    """The transcript in the format asked for. Raises Refused."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=None)
        try:
            async with connected(server, token) as client:
                job_id = await _submit(client, asked, progress, task)
                await _follow(client, job_id, progress, task)
                return await _fetch(client, job_id, asked.format)
        except httpx2.TransportError as error:
            raise Refused(
                f"no Stentor answers at {server or 'its own port'} ({type(error).__name__})"
            ) from error


async def _submit(client: httpx2.AsyncClient, asked: Asked, progress: Progress, task: TaskID) -> str:
    progress.update(task, description="sending")
    with asked.file.open("rb") as file:
        answer = await client.post(
            "/v1/transcriptions", files={"file": (asked.file.name, file)}, data=dict(asked.options)
        )
    return str(told(answer).json()["id"])


async def _follow(client: httpx2.AsyncClient, job_id: str, progress: Progress, task: TaskID) -> None:
    """Show the job's progress until it is over. Raises Refused when it failed."""
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in ("queued", "running"):
        async for job in _events(client, job_id):
            now = job["progress"] or {}
            progress.update(
                task,
                description=now.get("stage", job["status"]),
                total=1 if now.get("fraction") is not None else None,
                completed=now.get("fraction") or 0,
            )
    if job["status"] != "completed":
        raise Refused((job["error"] or {}).get("message") or f"the job was {job['status']}")


async def _events(client: httpx2.AsyncClient, job_id: str) -> AsyncIterator[dict[str, Any]]:
    try:
        async with client.stream("GET", f"/v1/transcriptions/{job_id}/events") as answer:
            if not answer.is_success:
                await answer.aread()
                told(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))
    except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout):
        # The server restarts, or a proxy gave the silent stream up: ask again where the job is.
        await asyncio.sleep(1)


async def _fetch(client: httpx2.AsyncClient, job_id: str, format: Format) -> str:
    answer = told(await client.get(f"/v1/transcriptions/{job_id}", params={"format": format.value}))
    if format is Format.json:
        return json.dumps(answer.json(), indent=2, ensure_ascii=False)
    return answer.text
