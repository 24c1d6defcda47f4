"""Probes that tell the truth: alive means the event loop turns, ready means work can be accepted."""

import asyncio
from collections.abc import Awaitable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sqlalchemy import text

from stentor_common.requests import RuntimeDep
from stentor_common.runtime import Runtime

PROBE_SECONDS = 3

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def alive() -> Response:
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
async def ready(runtime: RuntimeDep) -> Response:
    """200 when database, queue and store answer, else 503 with what does not."""
    checks = {
        "database": _database(runtime),
        "queue": runtime.queue.ping(),
        "store": runtime.store.ping(),
    }
    answers = await asyncio.gather(*map(_answer, checks.values()))
    parts = dict(zip(checks, answers, strict=True))
    if runtime.stopping.is_set():
        parts["process"] = "is stopping"
    well = all(answer == "ok" for answer in parts.values())
    return JSONResponse({"status": "ok" if well else "unavailable", **parts}, 200 if well else 503)


async def _database(runtime: Runtime) -> None:
    async with runtime.db.reading() as session:
        await session.execute(text("SELECT 1"))


async def _answer(check: Awaitable[None]) -> str:
    try:
        await asyncio.wait_for(check, PROBE_SECONDS)
    except Exception as error:
        # A probe reports every failure there is, by its kind only: messages may hold addresses.
        return f"does not answer ({type(error).__name__})"
    return "ok"
