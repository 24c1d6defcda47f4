"""Answers now, later, or bit by bit, as the caller's headers ask: for routes that make one job each.

The words are those of OctoAI, whose endpoints all answer in these three ways: with `X-OctoAI-Async: 1` at
once, with where to poll and then to read what the caller would else have waited for; with
`Accept: text/event-stream` in lines of `data:`, and nothing but these, since its client refuses any other.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from stentor_common.auth import Caller
from stentor_common.errors import AppError
from stentor_common.jobs.answer import LOOK_SECONDS, ClientGone, abandon, finished
from stentor_common.jobs.table import Job, JobState
from stentor_common.problems import error_body, from_app_error
from stentor_common.requests import public_base

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

ASYNC_HEADER = "x-octoai-async"
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

Whole = Callable[["Runtime", Job], Awaitable[Any]]
"""The body of the answer to whoever waited for a job; it is completed."""

Parts = Callable[["Runtime", Job], AsyncGenerator[Any, None]]
"""What there is of a job's result, part after part, until it is over. Raises JobFailed, Conflict."""

Leave = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a kind of job is answered about."""

    whole: Whole
    parts: Parts


class Way(StrEnum):
    """How a caller wants its answer."""

    now = "now"
    later = "later"
    stream = "stream"


def way_of(headers: Mapping[str, str]) -> Way:
    if headers.get(ASYNC_HEADER, "").strip().lower() in ("1", "true"):
        return Way.later
    return Way.stream if "text/event-stream" in headers.get("accept", "").lower() else Way.now


async def respond(
    request: Request, runtime: "Runtime", caller: Caller, job: Job, rendering: Rendering
) -> Response:
    """The answer to the request that made the job. When somebody who waits or listens goes, it is cancelled.

    Raises JobFailed, Conflict, ClientGone.
    """
    way = way_of(request.headers)
    if way is Way.later:
        return promised(request, job)
    if way is Way.stream:
        return await streamed(request, rendering.parts(runtime, job), partial(abandon, runtime, caller, job))
    return JSONResponse(await rendering.whole(runtime, await finished(runtime, request, caller, job)))


def promised(request: Request, job: Job) -> Response:
    """What a caller is told who does not wait: where to ask for the answer."""
    poll_url = f"{public_base(request)}/v1/requests/{job.id}"
    return JSONResponse({"response_id": str(job.id), "poll_url": poll_url})


def polled(request: Request, job: Job) -> Response:
    """What a caller is told who polls. A job that failed is told as completed: its response says of what, and
    clients that wait for this one word come to an end."""
    told = {"response_id": str(job.id)}
    if job.active:
        status = "pending" if job.state == JobState.queued else "running"
        return JSONResponse({**told, "status": status}, 202)
    response_url = f"{public_base(request)}/v1/responses/{job.id}"
    return JSONResponse({**told, "status": "completed", "response_url": response_url})


async def _stay() -> None:
    """For parts that nothing is left of once they are closed."""


async def streamed(request: Request, parts: AsyncGenerator[Any, None], leave: Leave = _stay) -> Response:
    """Begins with the first part: what goes wrong until then is told by the status. `leave` is called when
    the client goes before the last part; `parts` are closed in any case."""
    try:
        first = await first_part(request, parts)
    except (asyncio.CancelledError, ClientGone):
        await parts.aclose()
        await leave()
        raise
    return _PartStream(first, parts, leave)


async def first_part(request: Request, parts: AsyncGenerator[Any, None]) -> Any:
    """What comes first, None if nothing does. Raises ClientGone, and what keeps it from coming."""
    coming = asyncio.ensure_future(anext(parts, None))
    try:
        while not (await asyncio.wait([coming], timeout=LOOK_SECONDS))[0]:
            if await request.is_disconnected():
                raise ClientGone
        return await coming
    finally:
        coming.cancel()
        await asyncio.wait([coming])


class _PartStream(StreamingResponse):
    """Parts as server-sent events. Their source is closed however the answer ends."""

    def __init__(self, first: Any, parts: AsyncGenerator[Any, None], leave: Leave) -> None:
        self._parts, self._leave = parts, leave
        self._over = False
        super().__init__(self._lines(first), media_type="text/event-stream", headers=STREAM_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._parts.aclose()
            if not self._over:
                await self._leave()

    async def _lines(self, first: Any) -> AsyncGenerator[str, None]:
        if first is not None:
            yield _line(first)
        try:
            async for part in self._parts:
                yield _line(part)
        except AppError as error:
            yield _line(error_body(from_app_error(error)).model_dump())
        self._over = True
        yield "data: [DONE]\n\n"


def _line(part: Any) -> str:
    # Plain ASCII: clients may part lines at characters that JSON leaves as they are.
    return f"data: {json.dumps(part)}\n\n"
