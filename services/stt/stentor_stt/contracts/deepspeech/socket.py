"""A file on a WebSocket, as the DeepSpeech REST API takes it: one binary message in, one text message out."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from stentor_common import uploads
from stentor_common.auth import Caller, Scope
from stentor_common.errors import AppError, BadInput
from stentor_common.jobs.answer import ClientGone, finished
from stentor_common.jobs.trace import RequestTrace
from stentor_common.requests import RuntimeDep, VisitorDep, get_caller, identified
from stentor_common.runtime import Runtime
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.deepspeech.text import MISSING, answer, check_count, hotwords
from stentor_stt.options import Options
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import Asked, create

WAIT_SECONDS = 3600
"""For the file, which comes as one message however long that takes."""

LONGEST_TEXT = 64 * 1024

TOKEN_KEYS = ("token", "access_token")
"""Hold a text where hot-words hold numbers."""


async def transcribe_file(
    socket: WebSocket, runtime: RuntimeDep, visitor: VisitorDep, settings: SttSettingsDep
) -> None:
    """First, if wanted, a text message with hot-words and their boosts as a JSON object, which may also hold
    a `token`; then the whole file as one binary message. The answer is one text message,
    `{"message": text, "time": seconds}`, or what went wrong with a null `time`; then the connection ends."""
    await socket.accept()
    try:
        with suppress(WebSocketDisconnect, ClientGone):
            await socket.send_json(await _told(socket, runtime, visitor, settings))
            await socket.close()
    except AppError as error:
        with suppress(WebSocketDisconnect):
            await socket.send_json({"message": error.message, "time": None})
            await socket.close()


async def _told(
    socket: WebSocket, runtime: Runtime, visitor: Caller, settings: SttSettings
) -> Mapping[str, Any]:
    """The answer to a file. Raises WebSocketDisconnect, ClientGone and all that making a job raises."""
    words, sound = await _received(socket)
    caller = await authorized(socket, runtime, visitor, words)
    options = Options(hotwords=hotwords(words))
    await runtime.throttle.check_new_job(caller)
    upload = await uploads.receive(runtime, caller, "audio", uploads.in_pieces(sound))
    del sound
    asked = Asked(options=options, upload=upload, contract="deepspeech")
    job, _ = await create(runtime, settings, caller, asked, RequestTrace(request_id=uuid.uuid4().hex))
    async with _Listening(socket) as client:
        return await answer(runtime, await finished(runtime, client, caller, job))


async def _received(socket: WebSocket) -> tuple[dict[str, Any], bytes]:
    """What comes before the file, and the file."""
    words: dict[str, Any] = {}
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                message = await socket.receive()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect(message.get("code", 1000))
                if message.get("bytes") is not None:
                    break
                words |= as_object(message["text"])
                check_count(words)
    except TimeoutError:
        raise BadInput(MISSING) from None
    if not message["bytes"]:
        raise BadInput(MISSING)
    return words, message["bytes"]


def as_object(text: str) -> dict[str, Any]:
    """What a text message holds. Raises BadInput."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"a text message has at most {LONGEST_TEXT} characters")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput('send hot-words as a JSON object, such as {"power": 1000}, and sound as bytes')
    return found


async def authorized(socket: WebSocket, runtime: Runtime, visitor: Caller, words: dict[str, Any]) -> Caller:
    """Whoever sent the file, and may. A token among the hot-words is taken out of them."""
    for key in TOKEN_KEYS:
        if isinstance(words.get(key), str):
            visitor = await identified(socket, words.pop(key))
    caller = await get_caller(visitor, runtime)
    caller.need(Scope.jobs_write)
    return caller


class _Listening:
    """Notices that a client goes while it waits. What else it says is passed over."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def __aenter__(self) -> Self:
        self._gone = asyncio.create_task(self._until_gone())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.cancel()
        await asyncio.wait([self._gone])

    async def is_disconnected(self) -> bool:
        return self._gone.done()

    async def _until_gone(self) -> None:
        while (await self._socket.receive())["type"] != "websocket.disconnect":
            pass
