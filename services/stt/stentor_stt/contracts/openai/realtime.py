"""Live transcription as OpenAI's realtime clients speak it: a WebSocket at `/v1/realtime`.

Text goes out while somebody speaks: each `delta` is put behind the ones before it, and `completed` holds
what they make together. Sessions converse with nobody; what a client sends for that is an `error` event.
"""

import base64
import binascii
import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError

from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.problems import Problem, error_body
from stentor_common.requests import RuntimeDep, get_caller, get_visitor, get_writer, identified
from stentor_stt.contracts.openai.errors import in_openai_words
from stentor_stt.contracts.openai.realtime_session import Config
from stentor_stt.live.desk import LiveParts, LivePartsDep
from stentor_stt.live.events import (
    Committed,
    Event,
    Failed,
    Final,
    Settled,
    SpeechStarted,
    SpeechStopped,
)
from stentor_stt.live.socket import SessionOver, json_object, messages, part, problem_of

SUBPROTOCOL, KEY_SUBPROTOCOL = "realtime", "openai-insecure-api-key."
"""How browsers say what they speak and who they are: they cannot set a header."""

LARGEST_APPEND_BYTES = 15 * 1024 * 1024
LARGEST_MESSAGE = LARGEST_APPEND_BYTES * 4 // 3 + 64 * 1024
LEAST_COMMIT_MS = 100

TRANSCRIPTION = "conversation.item.input_audio_transcription"

router = APIRouter(prefix="/v1")


class EmptyCommit(BadInput):
    code = "input_audio_buffer_commit_empty"


class UnknownEvent(BadInput):
    code = "unknown_event"


async def get_realtime_caller(websocket: WebSocket, runtime: RuntimeDep) -> Caller:
    """Whoever sends a token: as everywhere, or as a subprotocol."""
    offered: list[str] = websocket.scope.get("subprotocols", [])
    key = next((each for each in offered if each.startswith(KEY_SUBPROTOCOL)), None)
    if key:
        visitor = await identified(websocket, key.removeprefix(KEY_SUBPROTOCOL))
    else:
        visitor = await get_visitor(websocket)
    return await get_writer(await get_caller(visitor, runtime))


RealtimeCallerDep = Annotated[Caller, Depends(get_realtime_caller)]


@router.websocket("/realtime")
async def transcribe_realtime(websocket: WebSocket, parts: LivePartsDep, caller: RealtimeCallerDep) -> None:
    """A transcription session, whatever the address says it is for."""
    config = Config.of_address(websocket.query_params)
    config.to_wanted(parts.settings)
    async with parts.admitted(caller) as id:
        offered: list[str] = websocket.scope.get("subprotocols", [])
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        talk = Talk(websocket, parts, config, id)
        try:
            await talk.run(caller)
        except WebSocketDisconnect:
            return
        except (AppError, RequestValidationError) as error:
            problem = problem_of(error)
            await part(websocket, json.dumps(_event(_error(problem, None))), problem)


class Talk:
    """One connection: what it says of the events of a live session, and does with those of the client."""

    def __init__(self, websocket: WebSocket, parts: LiveParts, config: Config, id: str) -> None:
        self._websocket = websocket
        self._parts = parts
        self._config = config
        self._id = id
        self._items = Items()

    async def run(self, caller: Caller) -> None:
        """Until the client goes. Raises SessionOver, TooLarge."""
        wanted = self._config.to_wanted(self._parts.settings)
        await self._send({"type": "session.created", "session": self._config.shown(self._session_id)})
        async with self._parts.stream(wanted, self._tell, id=self._id, caller=caller) as self._stream:
            try:
                async for message in messages(self._websocket, self._parts.settings, LARGEST_MESSAGE):
                    await self._take(message)
            except SessionOver:
                await self._stream.finish()
                raise

    async def _take(self, message: str | bytes) -> None:
        """Do what the client says; what is wrong with that is told, and the session goes on."""
        event_id = None
        try:
            event = json_object(message)
            event_id = event.get("event_id")
            await self._do(event)
        except (AppError, RequestValidationError) as error:
            await self._send(_error(problem_of(error), event_id))

    async def _do(self, event: Mapping[str, Any]) -> None:
        match event.get("type"):
            case "input_audio_buffer.append":
                await self._stream.send(_sound(event.get("audio")))
            case "input_audio_buffer.commit":
                if self._stream.uncommitted_ms < LEAST_COMMIT_MS:
                    raise EmptyCommit(f"there is less than {LEAST_COMMIT_MS} ms of sound to commit")
                await self._stream.commit()
            case "input_audio_buffer.clear":
                self._stream.clear()
                await self._send({"type": "input_audio_buffer.cleared"})
            case "session.update":
                await self._configure(event)
                await self._send({"type": "session.updated", "session": self._config.shown(self._session_id)})
            case "transcription_session.update":
                await self._configure(event)
                shown = self._config.shown_flat(self._session_id)
                await self._send({"type": "transcription_session.updated", "session": shown})
            case other:
                raise UnknownEvent(
                    f"a transcription session knows no event {str(other)[:64]!r}; it takes session.update, "
                    "and input_audio_buffer.append, .commit and .clear",
                    param="type",
                )

    async def _configure(self, event: Mapping[str, Any]) -> None:
        session = event.get("session")
        if not isinstance(session, Mapping):
            raise BadInput("session must be an object", param="session")
        config = self._config.updated(session)
        wanted = config.to_wanted(self._parts.settings)
        await self._parts.check(wanted)
        self._stream.configure(wanted)
        self._config = config

    async def _tell(self, event: Event) -> None:
        for told in self._items.told(event):
            await self._send(told)

    async def _send(self, event: dict[str, Any]) -> None:
        await self._websocket.send_text(json.dumps(_event(event)))

    @property
    def _session_id(self) -> str:
        return f"sess_{self._id.replace('-', '')}"


class Items:
    """Turns as items of a conversation, and what is told about them."""

    def __init__(self) -> None:
        self._turn = -1
        self._item: str = ""
        self._previous: str | None = None

    def told(self, event: Event) -> Iterator[dict[str, Any]]:
        item = {"item_id": self._item_of(event.turn)}
        content = {**item, "content_index": 0}
        match event:
            case SpeechStarted():
                yield {"type": "input_audio_buffer.speech_started", "audio_start_ms": event.start_ms, **item}
            case Settled():
                yield {"type": f"{TRANSCRIPTION}.delta", "delta": event.text, **content}
            case SpeechStopped():
                yield {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": event.end_ms, **item}
            case Committed():
                yield from self._committed(item)
            case Final():
                seconds = (event.end_ms - event.start_ms) / 1000
                usage = {"type": "duration", "seconds": seconds}
                yield {
                    "type": f"{TRANSCRIPTION}.completed",
                    "transcript": event.text,
                    "usage": usage,
                    **content,
                }
            case Failed():
                error = error_body(in_openai_words(problem_of(event.error))).error.model_dump()
                yield {"type": f"{TRANSCRIPTION}.failed", "error": error, **content}

    def _committed(self, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
        previous = {"previous_item_id": self._previous}
        yield {"type": "input_audio_buffer.committed", **previous, **item}
        message = {
            "id": item["item_id"],
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        # The last one is what clients of the flat shape wait for.
        for kind in ("added", "done", "created"):
            yield {"type": f"conversation.item.{kind}", **previous, "item": message}

    def _item_of(self, turn: int) -> str:
        if turn != self._turn:
            self._previous = self._item or None
            self._turn, self._item = turn, f"item_{uuid.uuid4().hex[:24]}"
        return self._item


def _sound(sent: Any) -> bytes:
    """The bytes of an append. Raises BadInput."""
    try:
        found = base64.b64decode(sent, validate=True) if isinstance(sent, str) else None
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise BadInput("audio must be samples in base64", param="audio")
    return found


def _error(problem: Problem, event_id: Any) -> dict[str, Any]:
    error = error_body(in_openai_words(problem)).error.model_dump()
    return {"type": "error", "error": {**error, "event_id": event_id if isinstance(event_id, str) else None}}


def _event(fields: dict[str, Any]) -> dict[str, Any]:
    return {"event_id": f"event_{uuid.uuid4().hex[:24]}", **fields}
