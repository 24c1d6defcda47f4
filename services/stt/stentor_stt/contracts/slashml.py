"""The SlashML contract for speech to text: times of words are in milliseconds, the duration in seconds."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.desk import ask, caller_to_json
from stentor_common.errors import BadInput, Unavailable
from stentor_common.forms import content_kind, read_fields
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.queue import NoAnswer
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_common.slashml import (
    LISTED,
    body_elsewhere,
    desk,
    provider_of,
    read_job,
    render_error,
    without_result,
)
from stentor_stt.api import SttSettingsDep
from stentor_stt.options import Options
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import KIND, SUMMARIZER, Asked, Transcription, create, transcript_of
from stentor_stt.views import upload_url

PREFIX = "/speech-to-text/v1"
URL_FIELDS = ("uploaded_audio_url", "audio_url", "upload_url", "uploaded_url")
"""Names the documents and clients use for the same thing."""

ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["SlashML"])
file_router = APIRouter(prefix=PREFIX, tags=["SlashML"])


@file_router.post("/upload")
async def upload_audio(request: Request, runtime: RuntimeDep, caller: WriterDep) -> dict[str, Any]:
    """Store a recording, as field `audio` of a multipart form; deleted after a day."""
    if content_kind(request) != "multipart/form-data":
        raise BadInput("send the recording as field 'audio' of a multipart form")
    await runtime.throttle.count_upload(caller)
    form = await uploads.read_form(request, runtime, caller, file_names=("audio", "file"))
    url = upload_url(uploads.needed(form), public_base(request))
    return {"uploaded_url": url, "upload_url": url}


@router.post("/jobs")
@router.post("/transcribe", include_in_schema=False)
async def submit_job(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """Transcribe the recording at `uploaded_audio_url`, sent as form or JSON; with `text` instead, summarize
    that."""
    fields = await read_fields(request)
    provider = provider_of(fields)
    if fields.get("text") and not _named_audio(fields):
        return await _summarized(request, runtime, caller, fields)
    asked = Asked(options=Options(), provider=provider, audio_url=_audio_url(fields))
    trace = RequestTrace(request_id=request.state.request_id)
    job, _ = await create(runtime, settings, caller, asked, trace)
    return await job_body(runtime, job)


@router.get("/jobs/{job_id}")
@router.get("/transcription/{job_id}", include_in_schema=False)
async def read_any_job(
    job_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    settings: SttSettingsDep,
    _provider: Annotated[str, Query(alias="service_provider")] = "",
) -> Response:
    """The job, held for a moment if it is about to end. A failed one is answered with 400."""
    return await read_job(runtime, caller, job_id, {KIND: job_body}, settings.poll_hold_seconds)


@router.get("/jobs")
async def list_jobs(runtime: RuntimeDep, caller: ReaderDep) -> list[dict[str, Any]]:
    """Your newest jobs; none without a token."""
    if caller.user_id is None:
        return []
    async with runtime.db.reading() as session:
        jobs = await JobRepository(session).listed(caller, KIND, limit=LISTED, after=None, state=None)
    return [_without_result(job) for job in jobs]


async def job_body(runtime: Runtime, job: Job) -> dict[str, Any]:
    """A transcription in the words of this contract."""
    found = await transcript_of(runtime, job)
    return _without_result(job) | (_result(found[0]) if found else {})


DESK = desk({KIND: job_body})


async def _summarized(
    request: Request, runtime: Runtime, caller: Caller, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The documents send texts to summarize here too."""
    asked = {
        "text": fields["text"],
        "provider": provider_of(fields),
        "contract": "slashml",
        "request_id": request.state.request_id,
    }
    given = {"caller": caller_to_json(caller), "asked": asked}
    try:
        made = await ask(runtime, SUMMARIZER, "create", **given)
    except NoAnswer:
        raise Unavailable("no summarizer runs here; send uploaded_audio_url for a transcript") from None
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(made["job_id"], caller)
    return await body_elsewhere(runtime, caller, job)


def _named_audio(fields: Mapping[str, Any]) -> Any:
    return next((fields[name] for name in URL_FIELDS if fields.get(name)), None)


def _audio_url(fields: Mapping[str, Any]) -> str:
    found = _named_audio(fields)
    if isinstance(found, str):
        return found
    raise BadInput("send uploaded_audio_url, the URL of an upload or of a public recording")


def _without_result(job: Job) -> dict[str, Any]:
    asked = Transcription.of(job.request)
    model = {"acoustic_model": asked.model, "language_model": asked.model}
    return without_result(job, asked.provider) | model | {"audio_url": asked.audio_url}


def _result(transcript: Transcript) -> dict[str, Any]:
    words = [
        {"text": word.text, "start": word.start_ms, "end": word.end_ms, "confidence": word.confidence}
        for word in transcript.words
    ]
    return {
        "audio_duration": transcript.duration_ms / 1000,
        "confidence": transcript.confidence,
        "text": transcript.text,
        "words": words,
        "transcription_data": {"transcription": transcript.text, "words": words},
    }
