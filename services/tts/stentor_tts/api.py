"""Routes of the native contract: /v1/speech."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from stentor_common.errors import Conflict
from stentor_common.forms import checked, read_fields
from stentor_common.jobs.api import events
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.listing import PagingDep, own_jobs
from stentor_common.jobs.prefer import wait_preference
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.watch import wait_finished
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base, resource_of
from stentor_common.runtime import Runtime
from stentor_tts import sounds
from stentor_tts.delivery import sound_response
from stentor_tts.intake import body_bytes, read_asked
from stentor_tts.schemas import SpeechList, SpeechRequest, SpeechView, StreamRequest
from stentor_tts.speeches import KIND, Repertoire, Wish, create, facts_of, forget
from stentor_tts.streaming import StageDep, StreamResponse, open_stream
from stentor_tts.views import speech_view

router = APIRouter(prefix="/v1", tags=["text to speech"])
raw_router = APIRouter(prefix="/v1", tags=["text to speech"])

RepertoireDep = Annotated[Repertoire, Depends(resource_of(Repertoire))]

NOT_TO_BE_KEPT = ("no-store", "no-cache")
"""Words of Cache-Control with which a request says that it wants no cache."""

SOUND: dict[int | str, dict[str, Any]] = {
    200: {"content": {"audio/mpeg": {}}, "description": "The sound, in the format that was asked for"}
}
PART: dict[int | str, dict[str, Any]] = {206: {"description": "The part that `Range` asks for"}, **SOUND}


async def get_uncached(cache_control: Annotated[str, Header()] = "") -> bool:
    """Whether the request says that its answer must not come from a cache, or go into one."""
    return any(word in cache_control.lower() for word in NOT_TO_BE_KEPT)


UncachedDep = Annotated[bool, Depends(get_uncached)]


def _body(kind: type[SpeechRequest | StreamRequest], *, form: bool) -> dict[str, Any]:
    """The request body for the OpenAPI document: read by hand, because texts are long."""
    schema = kind.model_json_schema()
    written = {"type": "object", "properties": schema["properties"]}
    content: dict[str, Any] = {"application/json": {"schema": written}}
    if form:
        file = {"file": {"type": "string", "format": "binary"}}
        fields = {"type": "object", "properties": file | schema["properties"]}
        content["multipart/form-data"] = {"schema": fields}
    return {"requestBody": {"required": True, "content": content}}


@raw_router.post("/speech", status_code=202, openapi_extra=_body(SpeechRequest, form=True))
async def create_speech(
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    caller: WriterDep,
    repertoire: RepertoireDep,
    uncached: UncachedDep,
) -> SpeechView:
    """Have a text spoken: JSON with `text`, `ssml` or `text_upload`, or a form with the text as `file`.

    Answers at once with a job to ask for; with `Prefer: wait=30` it waits so many seconds for the
    end, and then answers 200. With an `Idempotency-Key` a request that is sent twice makes one job.
    `Cache-Control: no-store` means the same as `cache` false.
    """
    asked, trace = await read_asked(request, runtime, caller, repertoire.settings)
    job, new = await create(
        runtime, repertoire, caller, replace(asked, wish=_cacheable(asked.wish, uncached)), trace
    )
    if not new:
        response.headers["Idempotency-Replayed"] = "true"
    response.headers["Location"] = f"{public_base(request)}/v1/speech/{job.id}"
    if seconds := wait_preference(request.headers.get("prefer", "")):
        response.headers["Preference-Applied"] = f"wait={seconds}"
        job = await wait_finished(runtime, job.id, seconds) or job
    if not job.active:
        response.status_code = 200
    return await _view(runtime, job, public_base(request))


@raw_router.post(
    "/speech/stream",
    response_class=StreamingResponse,
    responses=SOUND,
    openapi_extra=_body(StreamRequest, form=False),
)
async def stream_speech(
    request: Request, stage: StageDep, caller: WriterDep, uncached: UncachedDep
) -> Response:
    """Have a text spoken, and get its sound while it is made.

    What goes wrong before the first bytes is told by the status. When the client goes, nothing more is
    spoken. The header `X-Stentor-Cached` says whether the sound was made for an earlier request.
    """
    longest = body_bytes(stage.repertoire.settings.stream_characters)
    asked = checked(StreamRequest, await read_fields(request, longest))
    wish = _cacheable(asked.wish(), uncached)
    sound = await open_stream(stage, request, caller, asked.written, wish)
    return StreamResponse(sound, sound.headers)


@router.get("/speech")
async def list_speeches(
    request: Request,
    runtime: RuntimeDep,
    caller: ReaderDep,
    paging: PagingDep,
) -> SpeechList:
    """Your speeches, newest first. Needs a token: without one a job's id is the only key to it."""
    page = await own_jobs(runtime, caller, KIND, paging)
    return SpeechList(
        object="list",
        data=[speech_view(job, None, public_base(request), None) for job in page.jobs],
        has_more=page.has_more,
        next_after=page.next_after,
    )


@router.get("/speech/{job_id}")
async def read_speech(job_id: str, request: Request, runtime: RuntimeDep, caller: ReaderDep) -> SpeechView:
    """State, progress and, once it is there, where the sound is and when each sentence is spoken."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
    return await _view(runtime, job, public_base(request))


@router.get("/speech/{job_id}/audio", response_class=StreamingResponse, responses=PART)
@router.get("/speech/{job_id}/audio.{extension}", response_class=StreamingResponse, include_in_schema=False)
async def read_audio(job_id: str, request: Request, runtime: RuntimeDep) -> Response:
    """The sound, for whoever knows this address, which nobody can guess; also a part of it, by `Range`."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).known(job_id, kind=KIND)
    facts = facts_of(job)
    if facts is None:
        raise Conflict(f"speech {job.id} is {job.state}: there is no sound to give")
    return sound_response(request, runtime, facts, f"speech-{job.id}")


@router.delete("/speech/{job_id}", status_code=204, response_class=Response)
async def delete_speech(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete a speech, its text and its sound. One that still runs is stopped."""
    await forget(runtime, caller, job_id)


@router.post("/speech/{job_id}/cancel")
async def cancel_speech(job_id: str, request: Request, runtime: RuntimeDep, caller: WriterDep) -> SpeechView:
    """Stop a speech that waits or runs. 409 when it is over."""
    job = await cancel(runtime, caller, job_id, kind=KIND)
    return await _view(runtime, job, public_base(request))


async def get_speech(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(job_id, caller, kind=KIND)


# Found before the answer begins: a stream that has begun can no longer say that there is no such job.
FollowedDep = Annotated[Job, Depends(get_speech)]


@router.get("/speech/{job_id}/events", response_class=EventSourceResponse)
async def follow_speech(runtime: RuntimeDep, job: FollowedDep) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` with stage, fraction, time left and queue position each time
    something changed; at the end `completed`, `failed` or `cancelled`."""
    async for event in events(runtime, job):
        yield event


def _cacheable(wish: Wish, uncached: bool) -> Wish:
    return replace(wish, cache=wish.cache and not uncached)


async def _view(runtime: Runtime, job: Job, base: str) -> SpeechView:
    async with runtime.db.reading() as session:
        position = await JobRepository(session).position(job)
    facts = facts_of(job)
    return speech_view(job, position, base, await sounds.times_of(runtime, facts) if facts else None)
