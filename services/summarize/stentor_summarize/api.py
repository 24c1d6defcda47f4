"""Routes of the native contract: /v1/summaries."""

from collections.abc import AsyncIterator
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from stentor_common.errors import Conflict
from stentor_common.jobs.answer import abandon
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.listing import PagingDep, own_jobs
from stentor_common.jobs.prefer import wait_preference
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.watch import wait_finished
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base, settings_of
from stentor_common.runtime import Runtime
from stentor_summarize import intake
from stentor_summarize.schemas import SummaryList, SummaryRequest, SummaryView
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.stream import EventStream, Leave, Telling
from stentor_summarize.summaries import KIND, create, forget, summary_of
from stentor_summarize.views import summary_view


class Format(StrEnum):
    json = "json"
    text = "text"


router = APIRouter(prefix="/v1", tags=["summaries"])
raw_router = APIRouter(prefix="/v1", tags=["summaries"])

SummarizeSettingsDep = Annotated[SummarizeSettings, Depends(settings_of(SummarizeSettings))]

PLAIN: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "It is over already, or a stream", "content": {"text/event-stream": {}}}
}


def _body() -> dict[str, Any]:
    """The request body for the OpenAPI document: read by hand, because texts are long and files streamed."""
    schema = SummaryRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    form = {"file": {"type": "string", "format": "binary"}, **schema["properties"]}
    content = {
        "application/json": {"schema": {key: schema[key] for key in ("type", "properties")}},
        "multipart/form-data": {"schema": {"type": "object", "properties": form}},
    }
    return {"requestBody": {"required": True, "content": content}}


@raw_router.post(
    "/summaries", status_code=202, response_model=SummaryView, responses=STREAMED, openapi_extra=_body()
)
async def create_summary(
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: SummarizeSettingsDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Summarize a text, a document, a page or a transcription: JSON, or a multipart form with a `file`.

    Answers at once with a job to ask for; with `Prefer: wait=30` it waits so many seconds for the end, and
    then answers 200. With `Accept: text/event-stream`, or `stream`, it answers with events like those of
    `/events`, and stops when its client goes, unless that sent an `Idempotency-Key`. With such a key a
    request that is sent twice makes one job. The text is deleted when the job is over.
    """
    asked, trace, streams = await intake.read_asked(request, runtime, settings, caller)
    job, new = await create(runtime, settings, caller, asked, trace)
    headers = {"Location": f"{public_base(request)}/v1/summaries/{job.id}"}
    if not new:
        headers["Idempotency-Replayed"] = "true"
    if streams:
        leave: Leave = _stay if trace.idempotency_key else partial(abandon, runtime, caller, job)
        return EventStream(Telling(runtime, job), leave, headers)
    if seconds := wait_preference(prefer):
        headers["Preference-Applied"] = f"wait={seconds}"
        job = await wait_finished(runtime, job.id, seconds) or job
    view = await _view(runtime, job)
    return JSONResponse(view.model_dump(mode="json"), 202 if job.active else 200, headers)


@router.get("/summaries")
async def list_summaries(
    runtime: RuntimeDep,
    caller: ReaderDep,
    paging: PagingDep,
) -> SummaryList:
    """Your summaries, newest first. Needs a token: without one a job's id is the only key to it."""
    page = await own_jobs(runtime, caller, KIND, paging)
    return SummaryList(
        object="list",
        data=[summary_view(job, None, None) for job in page.jobs],
        has_more=page.has_more,
        next_after=page.next_after,
    )


@router.get("/summaries/{job_id}", response_model=SummaryView, responses=PLAIN)
async def read_summary(
    job_id: str, runtime: RuntimeDep, caller: ReaderDep, format: Annotated[Format, Query()] = Format.json
) -> SummaryView | Response:
    """State, progress and, once it is there, the summary; as plain text if you like."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
    if format is Format.json:
        return await _view(runtime, job)
    found = await summary_of(runtime, job)
    if found is None:
        raise Conflict(f"summary {job.id} is {job.state}: there is no text to give")
    return PlainTextResponse(found.summary.text)


@router.delete("/summaries/{job_id}", status_code=204, response_class=Response)
async def delete_summary(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete a summary, and the text that came with it. One that still runs is stopped."""
    await forget(runtime, caller, job_id)


@router.post("/summaries/{job_id}/cancel")
async def cancel_summary(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> SummaryView:
    """Stop a summary that waits or runs. 409 when it is over."""
    return await _view(runtime, await cancel(runtime, caller, job_id, kind=KIND))


async def get_summary(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(job_id, caller, kind=KIND)


# Found before the answer begins: a stream that has begun can no longer say that there is no such job.
FollowedDep = Annotated[Job, Depends(get_summary)]


@router.get("/summaries/{job_id}/events", response_class=EventSourceResponse)
async def follow_summary(runtime: RuntimeDep, job: FollowedDep) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` with stage, fraction and time left, `delta` with text as it is written,
    `reset` when the text so far is void; at the end `completed`, `failed` or `cancelled` with the whole."""
    async for event in Telling(runtime, job).events():
        if event:
            yield event


async def _view(runtime: Runtime, job: Job) -> SummaryView:
    async with runtime.db.reading() as session:
        position = await JobRepository(session).position(job)
    return summary_view(job, position, await summary_of(runtime, job))


async def _stay() -> None:
    """The job goes on: its client may come back for it."""
