"""The native contract of live transcription: /v1/transcriptions/live."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from stentor_common.auth import Caller
from stentor_common.errors import AppError
from stentor_common.forms import checked
from stentor_common.problems import Problem, error_body
from stentor_common.requests import WriterDep
from stentor_common.wire import Wire
from stentor_stt.fields import Hotwords, Spellings, hotwords_of, spellings_of
from stentor_stt.live.desk import LiveParts, LivePartsDep
from stentor_stt.live.events import (
    Committed,
    Event,
    Failed,
    Final,
    Settled,
    SpeechStarted,
    SpeechStopped,
    Tentative,
)
from stentor_stt.live.socket import SessionOver, json_object, messages, part, problem_of
from stentor_stt.live.wanted import (
    HIGHEST_RATE,
    LONGEST_PADDING_MS,
    LONGEST_SILENCE_MS,
    LOWEST_RATE,
    Encoding,
    Format,
    Turns,
    Wanted,
)
from stentor_stt.options import Options, Task
from stentor_stt.providers import choose_model
from stentor_stt.transcript import Word
from stentor_stt.vocabularies import with_vocabulary

if TYPE_CHECKING:
    from stentor_stt.live.stream import LiveStream

NAMES: dict[type[Event], str] = {
    SpeechStarted: "speech_started",
    Settled: "settled",
    Tentative: "tentative",
    SpeechStopped: "speech_stopped",
    Committed: "committed",
    Final: "final",
    Failed: "failed",
}

router = APIRouter(prefix="/v1")


class TurnsEnd(StrEnum):
    pause = "pause"
    commit = "commit"
    """Only when the client says so."""


class LiveRequest(Wire):
    """The first message of a live session."""

    model: str | None = Field(default=None, max_length=200)
    language: str | None = Field(default=None, min_length=2, max_length=16)
    task: Task = Task.TRANSCRIBE
    prompt: str | None = Field(default=None, max_length=2000)
    hotwords: Hotwords = Field(default=[])
    spelling: Spellings = Field(default=[])
    vocabulary: str | None = Field(default=None, max_length=64)
    encoding: Encoding = Encoding.pcm16
    sample_rate: int = Field(default=16_000, ge=LOWEST_RATE, le=HIGHEST_RATE)
    turns_end: TurnsEnd = TurnsEnd.pause
    silence_ms: int = Field(default=500, ge=200, le=LONGEST_SILENCE_MS)
    padding_ms: int = Field(default=300, ge=0, le=LONGEST_PADDING_MS)
    threshold: float = Field(default=0.5, ge=0, le=1)


class Order(StrEnum):
    commit = "commit"
    clear = "clear"
    finish = "finish"


class LiveOrder(Wire):
    """A later text message."""

    type: Order


@router.websocket("/transcriptions/live")
async def transcribe_live(websocket: WebSocket, parts: LivePartsDep, caller: WriterDep) -> None:
    """One JSON object with the options, then sound as binary messages; events come back as JSON."""
    async with parts.admitted(caller) as id:
        await websocket.accept()
        try:
            await _converse(websocket, parts, caller, id)
        except WebSocketDisconnect:
            # The client went in the middle of an answer; all work for it has stopped.
            return
        except (AppError, RequestValidationError) as error:
            problem = problem_of(error)
            await part(websocket, json.dumps(_told(problem)), problem)


async def _converse(websocket: WebSocket, parts: LiveParts, caller: Caller, id: str) -> None:
    incoming = messages(websocket, parts.settings)
    first = await anext(incoming, None)
    if first is None:
        return
    asked = checked(LiveRequest, json_object(first))
    wanted = await _wanted(asked, parts, caller)
    await parts.check(wanted)
    await websocket.send_json({"type": "ready", "id": id, "model": wanted.model})

    async def tell(event: Event) -> None:
        await websocket.send_json(shown(event))

    async with parts.stream(wanted, tell, id=id, caller=caller) as stream:
        try:
            if not await _listened(incoming, stream):
                return
        except SessionOver:
            await stream.finish()
            raise
        await websocket.send_json({"type": "done", "duration_ms": stream.taken_ms})
        await websocket.close()


async def _listened(incoming: AsyncIterator[str | bytes], stream: "LiveStream") -> bool:
    """Hear what comes; False when the client goes without saying that it has finished."""
    async for message in incoming:
        if isinstance(message, bytes):
            await stream.send(message)
            continue
        match checked(LiveOrder, json_object(message)).type:
            case Order.commit:
                await stream.commit()
            case Order.clear:
                stream.clear()
            case Order.finish:
                await stream.finish()
                return True
    return False


async def _wanted(asked: LiveRequest, parts: LiveParts, caller: Caller) -> Wanted:
    options = Options(
        language=asked.language,
        task=asked.task,
        prompt=asked.prompt,
        hotwords=hotwords_of(asked.hotwords),
        spelling=spellings_of(asked.spelling),
    )
    return Wanted(
        model=choose_model(asked.model, parts.settings),
        options=await with_vocabulary(parts.runtime, caller, asked.vocabulary, options),
        turns=Turns(asked.turns_end is TurnsEnd.pause, asked.silence_ms, asked.padding_ms, asked.threshold),
        format=Format(asked.encoding, asked.sample_rate),
    )


def shown(event: Event) -> dict[str, Any]:
    """An event as it goes over the wire."""
    kind = {"type": NAMES[type(event)]}
    if isinstance(event, Failed):
        return {**kind, "turn": event.turn, **_error(problem_of(event.error))}
    fields = asdict(event)
    if isinstance(event, Settled | Final):
        fields["words"] = [_word(word) for word in event.words]
    return kind | fields


def _told(problem: Problem) -> dict[str, Any]:
    return {"type": "error", **_error(problem)}


def _error(problem: Problem) -> dict[str, Any]:
    return error_body(problem).model_dump()


def _word(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start_ms": word.start_ms,
        "end_ms": word.end_ms,
        "confidence": word.confidence,
    }
