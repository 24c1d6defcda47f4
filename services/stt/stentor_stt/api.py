"""Routes of the native contract: /v1/transcriptions and /v1/uploads."""

from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from stentor_common import uploads
from stentor_common.errors import Conflict
from stentor_common.jobs.api import events
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.listing import PagingDep, own_jobs
from stentor_common.jobs.prefer import wait_preference
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.watch import wait_finished
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base, settings_of
from stentor_common.runtime import Runtime
from stentor_common.uploads import UploadRepository
from stentor_stt import intake, subtitles
from stentor_stt.schemas import (
    TranscriptionList,
    TranscriptionRequest,
    TranscriptionView,
    UploadView,
)
from stentor_stt.settings import SttSettings
from stentor_stt.subtitles import CueShape
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import KIND, create, forget, transcript_of
from stentor_stt.views import transcription_view, upload_view

NOT_JSON: dict[str, tuple[str, Callable[[Transcript, CueShape], str]]] = {
    "text": ("text/plain", lambda transcript, _: subtitles.to_text(transcript)),
    "srt": ("application/x-subrip", subtitles.to_srt),
    "vtt": ("text/vtt", subtitles.to_vtt),
}


class Format(StrEnum):
    json = "json"
    text = "text"
    srt = "srt"
    vtt = "vtt"


router = APIRouter(prefix="/v1", tags=["speech to text"])
file_router = APIRouter(prefix="/v1", tags=["speech to text"])


async def get_cue_shape(
    max_line_width: Annotated[int, Query(ge=10, le=200)] = 42,
    max_lines: Annotated[int, Query(ge=1, le=10)] = 2,
    max_cue_seconds: Annotated[float, Query(ge=1, le=60)] = 7.0,
) -> CueShape:
    """How subtitles are cut, for `format=srt` and `format=vtt`."""
    return CueShape(max_line_width, max_lines, max_cue_seconds)


CueShapeDep = Annotated[CueShape, Depends(get_cue_shape)]
SttSettingsDep = Annotated[SttSettings, Depends(settings_of(SttSettings))]

FORMATS: dict[int | str, dict[str, Any]] = {
    200: {"content": {media_type: {} for media_type, _ in NOT_JSON.values()}}
}


def _body(file_field: str, *, form_only: bool = False) -> dict[str, Any]:
    """The request body for the OpenAPI document: read by hand, because files are streamed."""
    schema = TranscriptionRequest.model_json_schema()
    options = {} if form_only else schema["properties"]
    form = {file_field: {"type": "string", "format": "binary"}, **options}
    content: dict[str, Any] = {"multipart/form-data": {"schema": {"type": "object", "properties": form}}}
    if not form_only:
        content["application/json"] = {"schema": {key: schema[key] for key in ("type", "properties")}}
    return {"requestBody": {"required": True, "content": content}}


@file_router.post("/transcriptions", status_code=202, openapi_extra=_body("file"))
async def create_transcription(
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: SttSettingsDep,
    prefer: Annotated[str, Header()] = "",
) -> TranscriptionView:
    """Transcribe a recording: a file in a multipart form, or JSON that names a URL or an upload.

    Answers at once with a job to ask for; with `Prefer: wait=30` it waits so many seconds for the
    end, and then answers 200. With an `Idempotency-Key` a request that is sent twice makes one job.
    """
    asked, trace = await intake.read_asked(request, runtime, caller)
    job, new = await create(runtime, settings, caller, asked, trace)
    if not new:
        response.headers["Idempotency-Replayed"] = "true"
    response.headers["Location"] = f"{public_base(request)}/v1/transcriptions/{job.id}"
    if seconds := wait_preference(prefer):
        response.headers["Preference-Applied"] = f"wait={seconds}"
        job = await wait_finished(runtime, job.id, seconds) or job
    if not job.active:
        response.status_code = 200
    return await _view(runtime, job)


@router.get("/transcriptions")
async def list_transcriptions(
    runtime: RuntimeDep,
    caller: ReaderDep,
    paging: PagingDep,
) -> TranscriptionList:
    """Your transcriptions, newest first. Needs a token: without one a job's id is the only key to it."""
    page = await own_jobs(runtime, caller, KIND, paging)
    return TranscriptionList(
        object="list",
        data=[transcription_view(job, None, None) for job in page.jobs],
        has_more=page.has_more,
        next_after=page.next_after,
    )


@router.get("/transcriptions/{job_id}", response_model=TranscriptionView, responses=FORMATS)
async def read_transcription(
    job_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    shape: CueShapeDep,
    format: Annotated[Format, Query()] = Format.json,
) -> TranscriptionView | Response:
    """State, progress and, once it is there, the transcript; as text or subtitles if you like."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
    if format is Format.json:
        return await _view(runtime, job)
    found = await transcript_of(runtime, job)
    if found is None:
        raise Conflict(f"transcription {job.id} is {job.state}: there is no text to give as {format}")
    media_type, render = NOT_JSON[format]
    return PlainTextResponse(render(found[0], shape), media_type=media_type)


@router.delete("/transcriptions/{job_id}", status_code=204, response_class=Response)
async def delete_transcription(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete a transcription and the recording that came with it. One that still runs is stopped."""
    await forget(runtime, caller, job_id)


@router.post("/transcriptions/{job_id}/cancel")
async def cancel_transcription(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> TranscriptionView:
    """Stop a transcription that waits or runs. 409 when it is over."""
    job = await cancel(runtime, caller, job_id, kind=KIND)
    return await _view(runtime, job)


async def get_transcription(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(job_id, caller, kind=KIND)


# Found before the answer begins: a stream that has begun can no longer say that there is no such job.
FollowedDep = Annotated[Job, Depends(get_transcription)]


@router.get("/transcriptions/{job_id}/events", response_class=EventSourceResponse)
async def follow_transcription(runtime: RuntimeDep, job: FollowedDep) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` with stage, fraction, time left and queue position each time
    something changed; at the end `completed`, `failed` or `cancelled`."""
    async for event in events(runtime, job):
        yield event


@file_router.post("/uploads", status_code=201, openapi_extra=_body("file", form_only=True))
async def create_upload(request: Request, runtime: RuntimeDep, caller: WriterDep) -> UploadView:
    """Store a recording for later requests, as field `file` of a multipart form."""
    await runtime.throttle.count_upload(caller)
    form = await uploads.read_form(request, runtime, caller, file_names=("file", "audio"))
    return upload_view(uploads.needed(form), public_base(request))


@router.get("/uploads/{upload_id}", response_class=StreamingResponse)
async def read_upload(upload_id: str, runtime: RuntimeDep) -> StreamingResponse:
    """The bytes of an upload, for whoever knows its id."""
    async with runtime.db.reading() as session:
        upload = await UploadRepository(session).get(upload_id, runtime.clock.now())
    # Whatever it is, a browser must not take it for a page of ours.
    headers = {
        "Content-Disposition": "attachment",
        "X-Content-Type-Options": "nosniff",
        "Content-Length": str(upload.size_bytes),
    }
    content = runtime.store.read(upload.store_key)
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)


@router.delete("/uploads/{upload_id}", status_code=204, response_class=Response)
async def delete_upload(upload_id: str, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete an upload before its time."""
    async with runtime.db.reading() as session:
        upload = await UploadRepository(session).owned(upload_id, caller, runtime.clock.now())
    await uploads.delete(runtime, [upload])


async def _view(runtime: Runtime, job: Job) -> TranscriptionView:
    async with runtime.db.reading() as session:
        position = await JobRepository(session).position(job)
    return transcription_view(job, position, await transcript_of(runtime, job))
