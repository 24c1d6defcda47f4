"""The contract of AssemblyAI for recordings, as its API reference (version 1.3.4) and its clients have it:
upload, submit, poll, and read the transcript as subtitles, sentences or paragraphs.

Successes are exactly 200 and errors `{"error": text}`. Anybody's transcripts can be read by it, whatever
contract made them.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.jobs.repository import JobRepository, Page
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.trace import RequestTrace
from stentor_common.jobs.watch import wait_finished
from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_common.webhooks import CallbackStyle
from stentor_common.webhooks.repository import WebhookRepository
from stentor_stt import subtitles
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.assemblyai import answer
from stentor_stt.contracts.assemblyai.options import STYLE, TranscriptRequest
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import KIND, Asked, Transcription, create, forget, transcript_of
from stentor_stt.views import upload_url

PREFIX = "/v2"
ONE_LINE = 42
"""Captions of more characters than this have two lines."""


def render_error(problem: Problem) -> Response:
    # Their clients know no 409 and the like: whatever is wrong with a request is 400.
    usual = problem.status in (400, 401, 403, 404, 413, 429) or problem.status >= 500
    return JSONResponse({"error": problem.message}, problem.status if usual else 400, dict(problem.headers))


async def tell(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    """What a webhook says: as little as AssemblyAI's."""
    found = await transcript_of(runtime, job)
    wrong = found is not None and answer.refusal(job, found[0]) is not None
    return {"transcript_id": str(job.id), "status": "error" if wrong else answer.state(job)}


ERROR_STYLES = {f"{PREFIX}/": render_error}
# An answer of the 400s says that the receiver will not have it.
CALLBACKS = {STYLE: CallbackStyle(tell, stops_at=range(400, 500))}

router = APIRouter(prefix=PREFIX, tags=["AssemblyAI"])
raw_router = APIRouter(prefix=PREFIX, tags=["AssemblyAI"])

RAW = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Status(StrEnum):
    queued = "queued"
    processing = "processing"
    completed = "completed"
    error = "error"


STATES = {
    Status.queued: (JobState.queued,),
    Status.processing: (JobState.running,),
    Status.completed: (JobState.completed,),
    Status.error: (JobState.failed, JobState.cancelled),
}


class Listing(BaseModel):
    """Which transcripts are listed."""

    limit: int = Field(default=10, ge=1, le=200)
    status: Status | None = None
    created_on: date | None = None
    before_id: str | None = None
    after_id: str | None = None

    @property
    def upwards(self) -> bool:
        return self.after_id is not None and self.before_id is None

    def link(self, base: str, **place: Any) -> str:
        """The same list at another place."""
        kept = self.model_dump(exclude={"before_id", "after_id"}, exclude_none=True)
        return f"{base}?{urlencode(kept | place)}"


@raw_router.post("/upload", openapi_extra=RAW)
async def upload_recording(request: Request, runtime: RuntimeDep, caller: WriterDep) -> dict[str, str]:
    """Store a recording, sent as the body itself; deleted after a day."""
    await runtime.throttle.count_upload(caller)
    upload = await uploads.receive(runtime, caller, None, request.stream())
    return {"upload_url": upload_url(upload, public_base(request))}


@router.post("/transcript")
async def submit_transcript(
    wanted: TranscriptRequest,
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: SttSettingsDep,
) -> dict[str, Any]:
    """Transcribe the recording at `audio_url`. What is sent and not done is told in `metadata.warnings`."""
    asked = Asked(
        options=wanted.options(),
        model=wanted.model(settings),
        audio_url=wanted.audio_url,
        callback=wanted.callback(),
        contract=answer.CONTRACT,
        notes=wanted.notes(),
    )
    job, _ = await create(runtime, settings, caller, asked, RequestTrace(request.state.request_id))
    return answer.body(job, None)


@router.get("/transcript")
async def list_transcripts(
    request: Request, runtime: RuntimeDep, caller: ReaderDep, listing: Annotated[Listing, Query()]
) -> dict[str, Any]:
    """Your transcripts, newest first: older than `before_id`, or newer than `after_id`. Needs an account."""
    caller.need_user()
    found = await _page(runtime, caller, listing)
    beyond = len(found) > listing.limit
    shown = found[1:] if beyond and listing.upwards else found[: listing.limit]
    older, newer = listing.upwards or beyond, listing.before_id or (listing.upwards and beyond)
    base = f"{public_base(request)}{PREFIX}/transcript"
    return {
        "page_details": {
            "limit": listing.limit,
            "result_count": len(shown),
            "current_url": f"{base}?{request.url.query}".rstrip("?"),
            "prev_url": listing.link(base, before_id=shown[-1].id) if shown and older else None,
            "next_url": listing.link(base, after_id=shown[0].id) if shown and newer else None,
        },
        "transcripts": [answer.listed(job, f"{base}/{job.id}") for job in shown],
    }


@router.get("/transcript/{transcript_id}")
async def read_transcript(
    transcript_id: str, runtime: RuntimeDep, caller: ReaderDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """The transcript and its status; held for a moment if it is about to be completed."""
    job = await _job(runtime, caller, transcript_id)
    if job.active:
        job = await wait_finished(runtime, job.id, settings.poll_hold_seconds) or job
    found = await transcript_of(runtime, job)
    return answer.body(job, found[0] if found else None, told_status=await _told_status(runtime, job))


@router.delete("/transcript/{transcript_id}")
async def delete_transcript(transcript_id: str, runtime: RuntimeDep, caller: WriterDep) -> dict[str, Any]:
    """Delete a transcript. One that is not completed is stopped. Afterwards it is not found any more."""
    job = await _job(runtime, caller, transcript_id)
    await forget(runtime, caller, transcript_id)
    return answer.deleted(job)


@router.get("/transcript/{transcript_id}/srt", response_class=PlainTextResponse)
async def read_srt(
    transcript_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    chars_per_caption: Annotated[int | None, Query(ge=10, le=1000)] = None,
) -> str:
    """SubRip subtitles; without `chars_per_caption` shaped for reading, two lines of 42 characters."""
    _, transcript = await _completed(runtime, caller, transcript_id)
    return subtitles.to_srt(transcript, _shape(chars_per_caption))


@router.get("/transcript/{transcript_id}/vtt", response_class=PlainTextResponse)
async def read_vtt(
    transcript_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    chars_per_caption: Annotated[int | None, Query(ge=10, le=1000)] = None,
) -> str:
    """WebVTT subtitles; without `chars_per_caption` shaped for reading, two lines of 42 characters."""
    _, transcript = await _completed(runtime, caller, transcript_id)
    return subtitles.to_vtt(transcript, _shape(chars_per_caption))


@router.get("/transcript/{transcript_id}/sentences")
async def read_sentences(transcript_id: str, runtime: RuntimeDep, caller: ReaderDep) -> dict[str, Any]:
    """The transcript in sentences."""
    return answer.sentences_body(*await _completed(runtime, caller, transcript_id))


@router.get("/transcript/{transcript_id}/paragraphs")
async def read_paragraphs(transcript_id: str, runtime: RuntimeDep, caller: ReaderDep) -> dict[str, Any]:
    """The transcript in paragraphs."""
    return answer.paragraphs_body(*await _completed(runtime, caller, transcript_id))


@router.get("/transcript/{transcript_id}/word-search")
async def search_words(
    transcript_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    words: Annotated[str, Query(min_length=1, max_length=10_000)],
) -> dict[str, Any]:
    """Where words or phrases, with commas between them, are said."""
    job, transcript = await _completed(runtime, caller, transcript_id)
    return answer.word_search_body(job, transcript, [word.strip() for word in words.split(",")])


async def _job(runtime: Runtime, caller: Caller, transcript_id: str) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(transcript_id, caller, kind=KIND)


async def _page(runtime: Runtime, caller: Caller, listing: Listing) -> Sequence[Job]:
    """The jobs of a list, and one more if there are more."""
    before, after = listing.before_id, listing.after_id
    async with runtime.db.reading() as session:
        jobs = JobRepository(session)
        page = Page(
            limit=listing.limit + 1,
            older_than=await jobs.get(before, caller, kind=KIND) if before else None,
            newer_than=await jobs.get(after, caller, kind=KIND) if after else None,
            states=STATES[listing.status] if listing.status else (),
            day=listing.created_on,
        )
        return await jobs.page(caller, KIND, page)


async def _completed(runtime: Runtime, caller: Caller, transcript_id: str) -> tuple[Job, Transcript]:
    """Raises BadInput while there is nothing to read, and when there never will be."""
    job = await _job(runtime, caller, transcript_id)
    found = await transcript_of(runtime, job)
    if found is None or answer.refusal(job, found[0]):
        raise BadInput(f"transcript {job.id} is {answer.state(job)}; this can be read when it is completed")
    return job, answer.as_asked(job, found[0])


async def _told_status(runtime: Runtime, job: Job) -> int | None:
    if Transcription.of(job.request).webhook_url is None:
        return None
    async with runtime.db.reading() as session:
        webhook = await WebhookRepository(session).of(job.id)
    status: int | None = webhook.attempts[-1]["status_code"] if webhook and webhook.attempts else None
    return status


def _shape(chars_per_caption: int | None) -> subtitles.CueShape | None:
    if chars_per_caption is None:
        return None
    lines = 1 if chars_per_caption <= ONE_LINE else 2
    return subtitles.CueShape(max_line_width=chars_per_caption // lines, max_lines=lines)
