"""Speech from a microphone, as the DeepSpeech REST API takes it: a WebSocket with binary messages of 16-bit
samples at 16 kHz, and exactly one text for each, which is what has been understood so far.

Published clients wait for that text before they send on. So it does not wait for the model: it is what was
known when the message came.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from fastapi.exceptions import RequestValidationError

from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.requests import VisitorDep
from stentor_stt.contracts.deepspeech.socket import as_object, authorized
from stentor_stt.contracts.deepspeech.text import hotwords
from stentor_stt.live.desk import LiveParts, LivePartsDep
from stentor_stt.live.events import Event, Failed, Final, Settled, Tentative
from stentor_stt.live.socket import messages, part, problem_of
from stentor_stt.live.wanted import Wanted
from stentor_stt.options import Options
from stentor_stt.plain import plain
from stentor_stt.providers import choose_model

LONGEST_TEXT = 10_000
"""What is shown of a long talk, in characters: its end. It is sent many times a second."""

router = APIRouter()


async def transcribe_microphone(websocket: WebSocket, parts: LivePartsDep, visitor: VisitorDep) -> None:
    """First, if wanted, a text message with hot-words and their boosts as a JSON object, which may also hold
    a `token`; then sound."""
    await websocket.accept()
    try:
        await _converse(websocket, parts, visitor)
    except WebSocketDisconnect:
        return
    except (AppError, RequestValidationError) as error:
        problem = problem_of(error)
        await part(websocket, problem.message, problem)


router.add_api_websocket_route("/api/v1/stt/mic", transcribe_microphone)
# As the documents call it.
router.add_api_websocket_route("/api/v1/mic", transcribe_microphone)


class Caption:
    """The text so far, as DeepSpeech writes it: without capitals and punctuation."""

    def __init__(self) -> None:
        self.text = ""
        self._settled = ""

    async def take(self, event: Event) -> None:
        tentative = ""
        match event:
            case Settled():
                self._settled = (self._settled + event.text)[-LONGEST_TEXT:]
            case Tentative():
                tentative = event.text
            case Final():
                self._settled += " "
            case Failed():
                raise event.error
            case _:
                return
        self.text = plain(self._settled + tentative)


async def _converse(websocket: WebSocket, parts: LiveParts, visitor: Caller) -> None:
    incoming = messages(websocket, parts.settings)
    first = await anext(incoming, None)
    if first is None:
        return
    words: dict[str, Any] = as_object(first) if isinstance(first, str) else {}
    caller = await authorized(websocket, parts.runtime, visitor, words)
    wanted, caption = _wanted(words, parts), Caption()
    async with (
        parts.admitted(caller) as id,
        parts.stream(wanted, caption.take, id=id, caller=caller) as stream,
    ):
        message = await anext(incoming, None) if isinstance(first, str) else first
        while message is not None:
            if isinstance(message, str):
                raise BadInput("hot-words come once, before the sound; send sound as binary messages")
            await stream.send(message)
            await websocket.send_text(caption.text)
            message = await anext(incoming, None)


def _wanted(words: Mapping[str, Any], parts: LiveParts) -> Wanted:
    return Wanted(choose_model(None, parts.settings), Options(hotwords=hotwords(words)))
