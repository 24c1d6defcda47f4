"""The SlashML contract for speech to text, as its documents print it and its client 0.1.6 speaks it.

Successes are exactly 200, failures of a job 400 with its id, and times of words are in milliseconds.
`status` says IN_PROGRESS from the first moment, because clients loop only while they read that word;
whether the job waits or runs is in `detail_status`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import BadInput
from stentor_common.forms import content_kind, read_fields
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.watch import wait_finished
from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_stt import intake
from stentor_stt.api import SttSettingsDep
from stentor_stt.options import Options
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import KIND, Asked, RequestTrace, Transcription, create, transcript_of
from stentor_stt.views import upload_url

PREFIX = "/speech-to-text/v1"
URL_FIELDS = ("uploaded_audio_url", "audio_url", "upload_url", "uploaded_url")
"""Names the documents and clients use for the same thing."""

LISTED = 100


def render_error(problem: Problem) -> Response:
    """Errors of this family; a throttled client also looks for `detail`."""
    body: dict[str, Any] = {"error": {"message": problem.message}}
    if problem.status in (401, 403, 429):
        body["detail"] = problem.message
    else:
        body |= {"status": "ERROR", "ERROR": problem.message}
    # The client reads any 400 as an error of its job, but stumbles over 422 and the like.
    return JSONResponse(body, problem.status, dict(problem.headers))


ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["SlashML"])
file_router = APIRouter(prefix=PREFIX, tags=["SlashML"])


@file_router.post("/upload")
async def upload_audio(request: Request, runtime: RuntimeDep, caller: WriterDep) -> dict[str, Any]:
    """Store a recording, as field `audio` of a multipart form; deleted after a day."""
    if content_kind(request) != "multipart/form-data":
        raise BadInput("send the recording as field 'audio' of a multipart form")
    await runtime.throttle.count_upload(caller)
    form = await intake.read_form(request, runtime, caller, file_names=("audio", "file"))
    url = upload_url(intake.needed(form), public_base(request))
    return {"uploaded_url": url, "upload_url": url}


@router.post("/jobs")
@router.post("/transcribe", include_in_schema=False)
async def submit_job(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """Transcribe the recording at `uploaded_audio_url`, sent as form or JSON."""
    fields = await read_fields(request)
    asked = Asked(options=Options(), provider=_provider(fields), audio_url=_audio_url(fields))
    trace = RequestTrace(request_id=request.state.request_id)
    job, _ = await create(runtime, settings, caller, asked, trace)
    return await _body(runtime, job)


@router.get("/jobs/{job_id}")
@router.get("/transcription/{job_id}", include_in_schema=False)
async def read_job(
    job_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    settings: SttSettingsDep,
    _provider: Annotated[str, Query(alias="service_provider")] = "",
) -> Response:
    """The job, held for a moment if it is about to end. A failed one is answered with 400."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
    if job.active:
        job = await wait_finished(runtime, job.id, settings.poll_hold_seconds) or job
    failed = job.state in (JobState.failed, JobState.cancelled)
    return JSONResponse(await _body(runtime, job), 400 if failed else 200)


@router.get("/jobs")
async def list_jobs(runtime: RuntimeDep, caller: ReaderDep) -> list[dict[str, Any]]:
    """Your newest jobs; none without a token."""
    if caller.user_id is None:
        return []
    async with runtime.db.reading() as session:
        jobs = await JobRepository(session).listed(caller, KIND, limit=LISTED, after=None, state=None)
    return [_without_result(job) for job in jobs]


def _provider(fields: Mapping[str, Any]) -> str | None:
    found = fields.get("service_provider")
    if found is not None and not isinstance(found, str):
        raise BadInput("service_provider must be text", param="service_provider")
    return found or None


def _audio_url(fields: Mapping[str, Any]) -> str:
    found = next((fields[name] for name in URL_FIELDS if fields.get(name)), None)
    if isinstance(found, str):
        return found
    if fields.get("text"):
        raise BadInput("this installation does not summarize; send uploaded_audio_url for a transcript")
    raise BadInput("send uploaded_audio_url, the URL of an upload or of a public recording")


async def _body(runtime: Runtime, job: Job) -> dict[str, Any]:
    found = await transcript_of(runtime, job)
    return _without_result(job) | (_result(found[0]) if found else {}) | _error(job)


def _without_result(job: Job) -> dict[str, Any]:
    asked = Transcription.of(job.request)
    status = "IN_PROGRESS" if job.active else _outcome(job)
    return {
        "id": str(job.id),
        "status": status,
        "detail_status": "QUEUED" if job.state == JobState.queued else status,
        "created": job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "service_provider": asked.provider,
        "acoustic_model": asked.model,
        "language_model": asked.model,
        "audio_duration": None,
        "audio_url": asked.audio_url,
        "confidence": None,
        "dual_channel": None,
        "text": None,
        "words": None,
        "transcription_data": {"transcription": None},
    }


def _outcome(job: Job) -> str:
    return "COMPLETED" if job.state == JobState.completed else "ERROR"


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


def _error(job: Job) -> dict[str, Any]:
    if job.state not in (JobState.failed, JobState.cancelled):
        return {}
    reason = job.error_message or f"the job was {job.state}"
    return {"ERROR": reason, "error": {"message": reason}}
