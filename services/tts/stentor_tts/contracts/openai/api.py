"""The speech contract of OpenAI: `/v1/audio/speech`.

Sound is sent while it is made, bare or as server-sent events. What goes wrong before the first of it is told
by the status; after that an event tells it, or the connection breaks off.
"""

import base64
import json
import math
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from stentor_common.errors import AppError
from stentor_common.problems import error_body, from_app_error
from stentor_common.requests import WriterDep
from stentor_common.wire import Wire
from stentor_tts.api import SOUND, UncachedDep
from stentor_tts.contracts.openai.errors import InputEmpty, InputTooLong, in_openai_words, render_error
from stentor_tts.schemas import FASTEST, SLOWEST
from stentor_tts.script import Markup
from stentor_tts.speeches import Wish
from stentor_tts.streaming import SoundStream, StageDep, StreamResponse, open_stream

PREFIX = "/v1/audio/speech"
ERROR_STYLES = {PREFIX: render_error}

MOST_CHARACTERS = 4096
PCM_RATE = 24_000

CHARACTERS_PER_TOKEN, TOKENS_PER_SECOND = 4, 20
"""About what OpenAI counts of text and of sound: programs add these numbers up."""

NO_INSTRUCTIONS = (
    "instructions have no effect: voices here speak in one manner; use SSML in the input instead"
)

router = APIRouter(prefix=PREFIX, tags=["OpenAI"])


class VoiceById(Wire):
    id: str = Field(min_length=1, max_length=64)


class SpeechBody(Wire):
    """What is ours may be sent as `extra_body`."""

    model: str = Field(min_length=1, max_length=200)
    """One of GET /v1/models, or the name of one of OpenAI's: `tts-1`, `tts-1-hd`, `gpt-4o-mini-tts`."""
    input: str
    """The text, at most 4096 characters; longer ones go to POST /v1/speech."""
    voice: VoiceById | Annotated[str, Field(min_length=1, max_length=64)]
    """One of GET /v1/voices, or one of OpenAI's, for which a voice of the same gender speaks."""
    instructions: str | None = Field(default=None, max_length=4096)
    """Without effect, which the header `x-stentor-warning` says."""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    """`pcm` is 16-bit samples at 24 kHz, without a header."""
    speed: float = Field(default=1.0, ge=SLOWEST, le=FASTEST)
    stream_format: Literal["audio", "sse"] = "audio"
    """`sse` sends the sound as `speech.audio.delta` events, and `speech.audio.done` at the end."""
    language: str | None = Field(default=None, min_length=2, max_length=35)
    """Ours: what the text is written in; without it what the voice was made for."""
    markup: Markup = Markup.auto
    """Ours: how the text is written; `auto` takes it for SSML where it is a <speak> document."""
    sample_rate: int | None = None
    """Ours: samples a second."""
    cache: bool = True
    """Ours: whether sound that was made for the same request may be the answer."""

    def wish(self, *, cache: bool) -> Wish:
        return Wish(
            voice=self.voice if isinstance(self.voice, str) else self.voice.id,
            model=self.model,
            language=self.language,
            markup=self.markup,
            speed=self.speed,
            format=self.response_format,
            sample_rate=self.sample_rate or (PCM_RATE if self.response_format == "pcm" else None),
            cache=self.cache and cache,
        )


class DeltaEvent(Wire):
    type: Literal["speech.audio.delta"]
    audio: str
    """A piece of the file in base64."""


class Usage(Wire):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class DoneEvent(Wire):
    type: Literal["speech.audio.done"]
    usage: Usage


ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": DeltaEvent | DoneEvent,
        "content": SOUND[200]["content"] | {"text/event-stream": {}},
        "description": "The file as `response_format` says, or events",
    }
}


@router.post("", response_class=StreamingResponse, responses=ANSWERS)
async def create_speech(
    body: SpeechBody, request: Request, stage: StageDep, caller: WriterDep, uncached: UncachedDep
) -> Response:
    """Have a text spoken, and get its sound while it is made. When the client goes, speaking ends."""
    if not body.input:
        raise InputEmpty
    if len(body.input) > MOST_CHARACTERS:
        raise InputTooLong(len(body.input), MOST_CHARACTERS)
    sound = await open_stream(stage, request, caller, body.input, body.wish(cache=not uncached))
    headers = dict(sound.headers)
    if body.instructions:
        headers["x-stentor-warning"] = NO_INSTRUCTIONS
    if body.stream_format == "audio":
        return StreamResponse(sound, headers)
    for name in ("Content-Length", "Content-Disposition"):
        headers.pop(name, None)
    return StreamResponse(sound, headers, _events(sound, body.input))


async def _events(sound: SoundStream, text: str) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in sound.chunks:
            yield _data(DeltaEvent(type="speech.audio.delta", audio=base64.b64encode(chunk).decode()))
        yield _data(DoneEvent(type="speech.audio.done", usage=_usage(text, sound.duration_ms)))
    except AppError as error:
        yield _data(error_body(in_openai_words(from_app_error(error))))


def _usage(text: str, duration_ms: int) -> Usage:
    said = math.ceil(len(text) / CHARACTERS_PER_TOKEN)
    heard = math.ceil(duration_ms / 1000 * TOKENS_PER_SECOND)
    return Usage(input_tokens=said, output_tokens=heard, total_tokens=said + heard)


def _data(event: Wire) -> bytes:
    return f"data: {json.dumps(event.model_dump(mode='json'))}\n\n".encode()
