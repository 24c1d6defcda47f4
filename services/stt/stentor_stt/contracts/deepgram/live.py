"""Live transcription as Deepgram's clients speak it (its API reference, WebSocket `/v1/listen`): samples in,
`Results` out, final for good or, if asked for, as it looks so far.

Every `Results` with `is_final` holds what follows the one before; `speech_final` ends a turn.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError
from pydantic import Field

from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.forms import checked
from stentor_common.requests import RuntimeDep, get_caller, get_visitor, get_writer, identified
from stentor_stt.contracts.deepgram.options import Switch
from stentor_stt.contracts.deepgram.request import DeepgramOptions, query_of
from stentor_stt.live.desk import LiveParts, LivePartsDep
from stentor_stt.live.events import Committed, Event, Failed, Final, Settled, SpeechStarted, Tentative
from stentor_stt.live.socket import SessionOver, json_object, messages, part, problem_of
from stentor_stt.live.wanted import (
    HIGHEST_RATE,
    LONGEST_SILENCE_MS,
    LOWEST_RATE,
    Encoding,
    Format,
    Turns,
    Wanted,
)
from stentor_stt.plain import plain
from stentor_stt.providers import choose_model
from stentor_stt.settings import SttSettings
from stentor_stt.transcript import Word

if TYPE_CHECKING:
    from stentor_stt.live.stream import LiveStream

SUBPROTOCOL = "token"
"""Followed by a token: browsers cannot set a header."""

ENCODINGS = {"linear16": Encoding.pcm16, "mulaw": Encoding.mulaw, "alaw": Encoding.alaw}
SHORTEST_PAUSE_MS = 200

router = APIRouter()


class LiveOptions(DeepgramOptions):
    interim_results: Switch = False
    """Tell what is heard before it is sure."""
    endpointing: bool | int = True
    """Milliseconds of a pause that ends a turn; `false` leaves that to `Finalize`."""
    utterance_end_ms: int | None = Field(default=None, ge=0, le=60_000)
    """Tell of the end of a turn in a message of its own."""
    vad_events: Switch = False
    """Tell when somebody begins to speak."""

    def wanted(self, settings: SttSettings) -> Wanted:
        """Raises BadInput for what is not done live."""
        encoding = ENCODINGS.get(self.encoding or "")
        rate = self.sample_rate or 0
        if encoding is None or not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise BadInput(
                f"live sound must be samples: send encoding ({', '.join(ENCODINGS)}) and sample_rate "
                f"({LOWEST_RATE} to {HIGHEST_RATE})",
                param="encoding",
            )
        if self.channels != 1:
            raise BadInput("live sound must have one channel", param="channels")
        if self.callback:
            raise BadInput("callback is not done live: the answers come by this connection", param="callback")
        model, _ = self.served_model(settings)
        return Wanted(choose_model(model, settings), self.options(), self._turns(), Format(encoding, rate))

    def _turns(self) -> Turns:
        if isinstance(self.endpointing, bool):
            return Turns(by_pause=self.endpointing)
        return Turns(silence_ms=min(max(self.endpointing, SHORTEST_PAUSE_MS), LONGEST_SILENCE_MS))


async def get_listener(websocket: WebSocket, runtime: RuntimeDep) -> Caller:
    """Whoever sends a token: as everywhere, or as the subprotocol after `token`."""
    offered: list[str] = websocket.scope.get("subprotocols", [])
    if len(offered) == 2 and offered[0] in (SUBPROTOCOL, "bearer"):
        visitor = await identified(websocket, offered[1])
    else:
        visitor = await get_visitor(websocket)
    return await get_writer(await get_caller(visitor, runtime))


ListenerDep = Annotated[Caller, Depends(get_listener)]


@router.websocket("/v1/listen")
async def listen_live(websocket: WebSocket, parts: LivePartsDep, caller: ListenerDep) -> None:
    """Samples as binary messages, `Finalize`, `KeepAlive` and `CloseStream` as text."""
    options = checked(LiveOptions, query_of(websocket.query_params))
    wanted = options.wanted(parts.settings)
    async with parts.admitted(caller) as id:
        offered: list[str] = websocket.scope.get("subprotocols", [])
        await websocket.accept(offered[0] if offered else None, [(b"dg-request-id", id.encode())])
        try:
            await Talk(websocket, Words(options, wanted.model, id)).run(parts, wanted, caller)
        except WebSocketDisconnect:
            return
        except (AppError, RequestValidationError) as error:
            problem = problem_of(error)
            await part(websocket, json.dumps(_error(problem.code, problem.message)), problem)


class Talk:
    """One connection."""

    def __init__(self, websocket: WebSocket, words: "Words") -> None:
        self._websocket, self._words = websocket, words
        self._heard = hashlib.sha256()

    async def run(self, parts: LiveParts, wanted: Wanted, caller: Caller) -> None:
        """Until the client goes, or says that it has finished. Raises SessionOver, TooLarge."""
        await parts.check(wanted)
        async with parts.stream(wanted, self._tell, id=self._words.id, caller=caller) as stream:
            try:
                await self._listen(parts.settings, stream)
            except SessionOver:
                await stream.finish()
                raise

    async def _listen(self, settings: SttSettings, stream: "LiveStream") -> None:
        async for message in messages(self._websocket, settings):
            if isinstance(message, bytes) and message:
                self._heard.update(message)
                await stream.send(message)
                continue
            match json_object(message).get("type") if message else "CloseStream":
                case "Finalize":
                    self._words.finalizing = True
                    await stream.commit()
                case "CloseStream":
                    await stream.finish()
                    told = self._words.metadata(stream.taken_ms, self._heard.hexdigest())
                    await self._websocket.send_json(told)
                    await self._websocket.close()
                    return
                case "KeepAlive":
                    pass
                case other:
                    wrong = f"{str(other)[:64]!r} is unknown; send Finalize, KeepAlive or CloseStream"
                    await self._websocket.send_json(_error("unknown_message", wrong))

    async def _tell(self, event: Event) -> None:
        for told in self._words.told(event):
            await self._websocket.send_json(told)


class Words:
    """The events of a live session in Deepgram's words."""

    def __init__(self, options: LiveOptions, model: str, id: str) -> None:
        self.id = id
        self.finalizing = False
        """Whether the client has asked for the end of this turn."""
        self._options, self._model = options, model
        self._made_at = datetime.now(UTC)
        self._until_ms = 0
        self._held: Settled | None = None
        self._ending = False

    def told(self, event: Event) -> Iterator[dict[str, Any]]:
        match event:
            case SpeechStarted() if self._options.vad_events:
                yield {"type": "SpeechStarted", "channel": [0], "timestamp": event.start_ms / 1000}
            case Settled() if self._ending:
                # Whether more follows is known with the next event.
                self._held = event
            case Settled():
                yield self._final(event.text, event.words)
            case Tentative() if self._options.interim_results and event.text.strip():
                yield self._results(event.text, (), self._until_ms)
            case Committed():
                self._ending = True
            case Final():
                yield from self._ended(event)
            case Failed():
                self._start_over()
                problem = problem_of(event.error)
                yield _error(problem.code, problem.message)

    def metadata(self, taken_ms: int, sha256: str) -> dict[str, Any]:
        """The last message."""
        model_id = self._about["model_uuid"]
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.id,
            "sha256": sha256,
            "created": self._made_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "duration": taken_ms / 1000,
            "channels": 1,
            "models": [model_id],
            "model_info": {model_id: self._about["model_info"]},
            "warnings": [
                {"parameter": name, "type": "unsupported_parameter", "message": message}
                for name, message in self._options.notes()["warnings"]
            ],
        }

    def _ended(self, event: Final) -> Iterator[dict[str, Any]]:
        rest = self._held
        yield {
            **self._final(rest.text if rest else "", rest.words if rest else (), event.end_ms),
            "speech_final": True,
            "from_finalize": self.finalizing,
        }
        self._start_over()
        if self._options.utterance_end_ms is not None and event.words:
            last = event.words[-1].end_ms / 1000
            yield {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": last}

    def _start_over(self) -> None:
        self._held, self._ending, self.finalizing = None, False, False

    def _final(self, text: str, words: Sequence[Word], end_ms: int | None = None) -> dict[str, Any]:
        until = max(end_ms or 0, words[-1].end_ms if words else 0, self._until_ms)
        told = {**self._results(text, words, until), "is_final": True}
        self._until_ms = until
        return told

    def _results(self, text: str, words: Sequence[Word], until_ms: int) -> dict[str, Any]:
        punctuated = self._options.punctuate or self._options.smart_format
        each = [word.confidence for word in words]
        alternative = {
            "transcript": text.strip() if punctuated else plain(text),
            "confidence": sum(each) / len(each) if each else 0.0,
            "words": [_word(word) for word in words],
        }
        return {
            "type": "Results",
            "channel_index": [0, 1],
            "start": self._until_ms / 1000,
            "duration": (until_ms - self._until_ms) / 1000,
            "is_final": False,
            "speech_final": False,
            "from_finalize": False,
            "channel": {"alternatives": [alternative]},
            "metadata": {"request_id": self.id, **self._about},
        }

    @property
    def _about(self) -> dict[str, Any]:
        model_id = str(uuid.uuid5(uuid.NAMESPACE_OID, self._model))
        info = {"name": self._model, "version": "1", "arch": "whisper"}
        return {"model_uuid": model_id, "model_info": info}


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": plain(word.text) or word.text,
        "start": word.start_ms / 1000,
        "end": word.end_ms / 1000,
        "confidence": word.confidence,
        "punctuated_word": word.text,
    }


def _error(variant: str, message: str) -> dict[str, Any]:
    return {"type": "Error", "variant": variant, "description": message, "message": message}
