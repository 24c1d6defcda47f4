"""What all contracts of live sessions do with a WebSocket: read it, within limits, and part from it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from fastapi import WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError

from stentor_common.errors import AppError, BadInput, TooLarge
from stentor_common.problems import Problem, from_app_error, from_validation
from stentor_stt.settings import SttSettings

POLICY, TOO_BIG, BROKEN, LATER = 1008, 1009, 1011, 1013
"""Codes of closing (RFC 6455, 7.4.1; 1013 is registered with IANA)."""

REASON_BYTES = 123

LARGEST = 1024 * 1024
"""Of a message: half a minute of sound."""


class SessionOver(BadInput):
    code = "session_over"


class InvalidJson(BadInput):
    code = "invalid_json"


async def messages(
    websocket: WebSocket, settings: SttSettings, largest: int = LARGEST
) -> AsyncIterator[str | bytes]:
    """What the client sends until it goes. Raises SessionOver when nothing comes for too long or the session
    lasts too long, TooLarge for a message of more than `largest` bytes or characters."""
    loop = asyncio.get_running_loop()
    idle_seconds, ends_at = settings.live_idle_seconds, loop.time() + settings.live_minutes * 60
    while True:
        try:
            async with asyncio.timeout_at(min(ends_at, loop.time() + idle_seconds)):
                message = await websocket.receive()
        except TimeoutError:
            if loop.time() >= ends_at:
                told = f"a live session lasts {settings.live_minutes:g} minutes at most; open another one"
            else:
                told = f"nothing came for {idle_seconds:g} seconds; open a new session to go on"
            raise SessionOver(told) from None
        if message["type"] == "websocket.disconnect":
            return
        text: str | None = message.get("text")
        found: str | bytes = message["bytes"] if text is None else text
        if len(found) > largest:
            raise TooLarge(f"a message has {largest} bytes at most; send the sound in smaller ones")
        yield found


def json_object(text: str | bytes) -> Mapping[str, Any]:
    """The object in a text message. Raises InvalidJson."""
    if isinstance(text, bytes):
        raise InvalidJson("send JSON as a text message, not as a binary one")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidJson("the message is not valid JSON") from None
    if not isinstance(found, dict):
        raise InvalidJson("the message must be a JSON object")
    return found


def problem_of(error: AppError | RequestValidationError) -> Problem:
    return from_app_error(error) if isinstance(error, AppError) else from_validation(error)


async def part(websocket: WebSocket, told: str, problem: Problem) -> None:
    """Say a last word and close, for that reason. A client that has gone already is no error."""
    if problem.status >= 500:
        code = LATER if problem.status == 503 else BROKEN
    else:
        code = TOO_BIG if problem.status == 413 else POLICY
    reason = problem.message.encode()[:REASON_BYTES].decode(errors="ignore")
    with contextlib.suppress(WebSocketDisconnect):
        await websocket.send_text(told)
        await websocket.close(code, reason)
