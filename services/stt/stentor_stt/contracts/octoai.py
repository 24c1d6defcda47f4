"""The contract of OctoAI's endpoints, for the one that is always there: `/endpoints/whisper`.

Each call is answered now, later or bit by bit, see `stentor_common.jobs.deferred`. Clients ask for successes
of exactly 200, and send again what was answered with 429 or 5xx.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.catalog import OfferRepository
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind, read_large_json
from stentor_common.inline_files import decoded
from stentor_common.jobs.answer import completed
from stentor_common.jobs.deferred import Rendering, respond
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import trace_of
from stentor_common.jobs.watch import follow
from stentor_common.octoai_words import render_error
from stentor_common.requests import RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_stt.api import SttSettingsDep
from stentor_stt.languages import language_code
from stentor_stt.options import Options, Task
from stentor_stt.pieces import PieceRepository
from stentor_stt.providers import CAPABILITY, LOCAL
from stentor_stt.settings import SttSettings
from stentor_stt.transcript import Segment, Transcript
from stentor_stt.transcriptions import KIND, Asked, Transcription, create, transcript_of

PREFIX = "/endpoints/whisper"
KEPT = timedelta(hours=24)
FILE_FIELDS = ("audio", "audio_b64", "file")
URL_FIELDS = ("url", "audio_url")
ANY_LANGUAGE = ("", "auto", "none")


ERROR_STYLES = {"/endpoints": render_error, "/v1/requests": render_error, "/v1/responses": render_error}

router = APIRouter(prefix=PREFIX, tags=["OctoAI"])
raw_router = APIRouter(prefix=PREFIX, tags=["OctoAI"])


def _code(named: str | None) -> str | None:
    if named is None or named.strip().lower() in ANY_LANGUAGE:
        return None
    code = language_code(named)
    if code is None:
        raise ValueError(f"{named[:64]!r} is not known here; use a code such as `en`, or none to detect it")
    return code


class PredictRequest(BaseModel):
    """What else a template was given is passed over."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    language: Annotated[str | None, BeforeValidator(_code)] = Field(default=None, max_length=32)
    """What is spoken, as a code such as `en`; without it the model finds out."""
    task: Task = Task.TRANSCRIBE
    """`translate` gives English text whatever was spoken."""
    prompt: str | None = Field(default=None, max_length=10_000)
    """Text in the style and spelling hoped for."""
    temperature: float | None = Field(default=None, ge=0, le=1)
    """0 to 1; without it the likeliest text first, others where a result looks wrong."""

    def options(self) -> Options:
        return Options(
            language=self.language, task=self.task, prompt=self.prompt, temperature=self.temperature or None
        )


BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "audio": {"type": "string", "description": "The recording in base64"},
                        "url": {"type": "string", "description": "Or where it is: a public http(s) URL"},
                        **PredictRequest.model_json_schema()["properties"],
                    },
                }
            }
        },
    }
}


@router.get("")
async def describe_endpoint(request: Request) -> dict[str, str]:
    """Where this endpoint is documented."""
    base = public_base(request)
    return {"docs": f"{base}/docs", "openapi": f"{base}/openapi.json"}


@router.get("/healthcheck", responses={503: {"description": "It starts, or its model is not there"}})
async def check_health(runtime: RuntimeDep) -> Response:
    """200 once there is a worker with a model."""
    async with runtime.db.reading() as session:
        offers = await OfferRepository(session).known(runtime.clock.now())
    own = [offer for offer in offers if (offer.capability, offer.provider) == (CAPABILITY, LOCAL)]
    if any(offer.available for offer in own):
        return JSONResponse({"status": "RUNNING", "async_enable": True, "healthy": "yes"})
    reasons = [offer.reason for offer in own] or ["no worker has reported yet"]
    return JSONResponse({"status": "SETUP_SERVICE", "reason": "; ".join(reasons)}, 503)


@raw_router.post("/predict", openapi_extra=BODY)
async def predict(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> Response:
    """Transcribe a recording that is written in the body as base64, or that a URL names.

    With `X-OctoAI-Async: 1` the answer is `response_id` and `poll_url`, at once; with
    `Accept: text/event-stream` segments come as they are found.
    """
    job = await _made(request, runtime, caller, settings, "predict")
    return await respond(request, runtime, caller, job, RENDERING)


@raw_router.post("/infer", openapi_extra=BODY)
async def infer(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> Response:
    """The same, with the text as `output` and times as `analytics`, as endpoints of the scaffold answer."""
    job = await _made(request, runtime, caller, settings, "infer")
    return await respond(request, runtime, caller, job, RENDERING)


async def whole(runtime: Runtime, job: Job) -> dict[str, Any]:
    """The answer about a completed transcription, whichever contract it came by."""
    transcript = await _transcript(runtime, job)
    took_ms = _took_ms(job)
    told = {
        "prediction_time_ms": took_ms,
        "response": {"segments": _segments(transcript.segments), "language": transcript.language},
        "transcription": transcript.text,
    }
    if Transcription.of(job.request).notes.get("method") != "infer":
        return told
    analytics = {"inference_time_ms": took_ms, "performance_time_ms": took_ms}
    return {"output": transcript.text, "analytics": analytics, **told}


async def parts(runtime: Runtime, job: Job) -> AsyncGenerator[dict[str, Any], None]:
    """Segments as they are finished, with their text. Raises JobFailed, Conflict."""
    told = 0
    async for now in follow(runtime, job.id):
        job = now
        if job.active and (found := (await _finished(runtime, job))[told:]):
            yield _part(found, told)
            told += len(found)
    transcript = await _transcript(runtime, completed(job))
    if rest := transcript.segments[told:]:
        yield _part(rest, told)


RENDERING = Rendering(whole, parts)
ANSWERS = {KIND: whole}
"""What /v1/responses tells about transcriptions."""


async def _made(
    request: Request, runtime: Runtime, caller: Caller, settings: SttSettings, method: str
) -> Job:
    # Before a file is taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    if content_kind(request) == "multipart/form-data":
        form = await uploads.read_form(request, runtime, caller, file_names=FILE_FIELDS)
        fields, upload = form.fields, form.upload
    else:
        fields, upload = await read_large_json(request, runtime.settings.max_inline_bytes), None
    try:
        wanted = checked(PredictRequest, fields)
        text, url = (None, None) if upload else _recording(fields)
        if text is not None:
            sound = await asyncio.to_thread(decoded, text, param="audio")
            upload = await uploads.receive(runtime, caller, "audio", uploads.in_pieces(sound))
        asked = Asked(
            options=wanted.options(),
            audio_url=url,
            upload=upload,
            retention=KEPT,
            contract="octoai",
            notes={"method": method},
        )
        trace = trace_of(request, wanted.model_dump() | {"url": url, "file": upload and upload.sha256})
    except BaseException:
        await uploads.discard(runtime, upload)
        raise
    job, _ = await create(runtime, settings, caller, asked, trace)
    return job


def _recording(fields: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The recording as text, or its URL, in any of the forms that versions of the client send."""
    sent = next((fields[name] for name in (*FILE_FIELDS, *URL_FIELDS) if fields.get(name)), None)
    while isinstance(sent, Mapping):
        # A media type of the client's: {"audio_b64": …}, {"data": …}, {"data": {"url": …}}.
        sent = next((sent[name] for name in ("audio_b64", "data", "url") if sent.get(name)), None)
    if not isinstance(sent, str):
        raise BadInput("send the recording as `audio`, in base64, or as `url`", param="audio")
    return (None, sent) if sent.lower().startswith(("http://", "https://")) else (sent, None)


async def _transcript(runtime: Runtime, job: Job) -> Transcript:
    found = await transcript_of(runtime, job)
    assert found is not None, "a completed job has a result"
    return found[0]


async def _finished(runtime: Runtime, job: Job) -> list[Segment]:
    async with runtime.db.reading() as session:
        pieces = await PieceRepository(session).finished(job.id)
    return [segment for piece in pieces for segment in piece.segments]


def _took_ms(job: Job) -> float:
    """Without what it waited. The same however often it is asked for."""
    assert job.finished_at, "a completed job has ended"
    return round((job.finished_at - (job.started_at or job.created_at)).total_seconds() * 1000, 1)


def _part(segments: Sequence[Segment], first: int) -> dict[str, Any]:
    text = " ".join(segment.text for segment in segments)
    return {"response": {"segments": _segments(segments, first)}, "transcription": text}


def _segments(segments: Sequence[Segment], first: int = 0) -> list[dict[str, Any]]:
    return [
        {
            "id": number,
            "start": each.start_ms / 1000,
            "end": each.end_ms / 1000,
            "text": each.text,
            "temperature": each.temperature,
            "avg_logprob": each.avg_logprob,
            "compression_ratio": each.compression_ratio,
            "no_speech_prob": each.no_speech_probability,
        }
        for number, each in enumerate(segments, first)
    ]
