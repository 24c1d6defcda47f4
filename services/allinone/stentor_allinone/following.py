"""A job at a server, shown until it is over: for commands that send something and wait."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from stentor_allinone.client import Refused, told


@dataclass(frozen=True, slots=True)
class Bar:
    """What is shown on the terminal while a command waits."""

    progress: Progress
    task: TaskID

    def show(self, what: str, fraction: float | None = None) -> None:
        total = 1 if fraction is not None else None
        self.progress.update(self.task, description=what, total=total, completed=fraction or 0)


@contextmanager
def shown() -> Iterator[Bar]:
    """A bar beside the output, gone at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(progress, progress.add_task("starting", total=None))


async def follow(client: httpx2.AsyncClient, path: str, bar: Bar) -> None:
    """Show the progress of the job at a path until it is over. Raises Refused when it failed."""
    job: dict[str, Any] = {"status": "queued"}
    while job["status"] in ("queued", "running"):
        async for job in _states(client, path):
            now = job["progress"] or {}
            bar.show(now.get("stage", job["status"]), now.get("fraction"))
    if job["status"] != "completed":
        raise Refused((job["error"] or {}).get("message") or f"the job was {job['status']}")


async def _states(client: httpx2.AsyncClient, path: str) -> AsyncIterator[dict[str, Any]]:
    try:
        async with client.stream("GET", f"{path}/events") as answer:
            if not answer.is_success:
                await answer.aread()
                told(answer)
            async for line in answer.aiter_lines():
                if line.startswith("data:") and "status" in (found := json.loads(line.removeprefix("data:"))):
                    yield found
    except (httpx2.ReadError, httpx2.RemoteProtocolError, httpx2.ReadTimeout):
        # The server restarts, or a proxy gave the silent stream up: ask again where the job is.
        await asyncio.sleep(1)
