"""The audio contract of OpenAI: `/v1/audio/transcriptions` and `/v1/audio/translations`.

A request waits for its job and is answered with the transcript. When the client goes away its job is
cancelled, unless it sent an Idempotency-Key, with which it can come back.
"""

from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from stentor_common.auth import Caller
from stentor_common.jobs.answer import abandon, finished
from stentor_common.jobs.table import Job
from stentor_common.requests import RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.openai.answer import (
    DiarizedAnswer,
    TextAnswer,
    VerboseAnswer,
    answer,
)
from stentor_stt.contracts.openai.errors import render_error
from stentor_stt.contracts.openai.form import (
    MOST_KNOWN,
    AudioForm,
    TranscriptionForm,
    TranslationForm,
)
from stentor_stt.contracts.openai.request import Sent, read
from stentor_stt.contracts.openai.stream import stream
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import create, transcript_of

PREFIX = "/v1/audio"
ERROR_STYLES = {PREFIX: render_error}

file_router = APIRouter(prefix=PREFIX, tags=["OpenAI"])
router = APIRouter()

JOB_HEADER = "x-stentor-job-id"
"""Names the job in every answer, for the routes below /v1/transcriptions."""

ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": TextAnswer | VerboseAnswer | DiarizedAnswer,
        "content": {"text/plain": {}, "text/event-stream": {}},
        "description": "As `response_format` says; text, srt and vtt are plain text",
    }
}


def _body(kind: type[AudioForm], **more: dict[str, Any]) -> dict[str, Any]:
    """The form for the OpenAPI document: read by hand, because files are streamed."""
    fields = kind.model_json_schema()["properties"] | more
    named = {f"{name}[]" if field.get("type") == "array" else name: field for name, field in fields.items()}
    form = {
        "type": "object",
        "properties": {"file": {"type": "string", "format": "binary"}, **named},
        "required": ["file", "model"],
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


SAMPLES = {
    "type": "array",
    "items": {"type": "string"},
    "maxItems": MOST_KNOWN,
    "description": "Samples of these voices as data URLs, 2 to 10 seconds each, in which nobody else speaks.",
}


@file_router.post(
    "/transcriptions",
    response_class=Response,
    responses=ANSWERS,
    openapi_extra=_body(TranscriptionForm, known_speaker_references=SAMPLES),
)
async def create_transcription(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> Response:
    """Transcribe a recording into the language that is spoken, and wait for it.

    With `stream=true` the answer is a stream of server-sent events: `transcript.text.delta` each time a
    piece of the recording is done, in a diarized_json `transcript.text.segment` for what each speaker said,
    `transcript.text.done` with the whole text, and `[DONE]`. The header `x-stentor-job-id` names the
    transcription for GET /v1/transcriptions/{id}.
    """
    sent = await read(request, runtime, caller, TranscriptionForm)
    return await _answered(request, runtime, caller, settings, sent)


@file_router.post(
    "/translations", response_class=Response, responses=ANSWERS, openapi_extra=_body(TranslationForm)
)
async def create_translation(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> Response:
    """Transcribe a recording of any language into English, and wait for it."""
    sent = await read(request, runtime, caller, TranslationForm)
    return await _answered(request, runtime, caller, settings, sent)


async def _answered(
    request: Request, runtime: Runtime, caller: Caller, settings: SttSettings, sent: Sent[Any]
) -> Response:
    job, new = await create(runtime, settings, caller, sent.asked, sent.trace)
    # Who sent a key can come back for the job that it made.
    keep = sent.trace.idempotency_key is not None
    if isinstance(sent.form, TranscriptionForm) and sent.form.stream:
        leave = _stay if keep else partial(abandon, runtime, caller, job)
        response: Response = await stream(
            runtime, request, job, sent.form, leave, hold_seconds=settings.stream_hold_seconds
        )
    else:
        job = await finished(runtime, request, caller, job, keep=keep)
        response = await _whole(runtime, job, sent)
    response.headers[JOB_HEADER] = str(job.id)
    if not new:
        response.headers["Idempotency-Replayed"] = "true"
    return response


async def _whole(runtime: Runtime, job: Job, sent: Sent[Any]) -> Response:
    found = await transcript_of(runtime, job)
    assert found is not None, "a completed job has a result"
    return answer(sent.form, found[0], sent.asked.options.task)


async def _stay() -> None:
    """Leave the job as it is."""
