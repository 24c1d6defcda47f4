"""Routes of pipelines: /v1/pipelines."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, ServerSentEvent

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.api import events
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.listing import PagingDep, own_jobs
from stentor_common.jobs.prefer import wait_preference
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.jobs.watch import wait_finished
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base, settings_of
from stentor_common.runtime import Runtime
from stentor_pipelines.flow import Flow
from stentor_pipelines.pipelines import KIND, create, flow_of, forget, rerun
from stentor_pipelines.schemas import (
    Do,
    PipelineList,
    PipelineOptions,
    PipelineRequest,
    PipelineView,
    RerunRequest,
)
from stentor_pipelines.settings import PipelineSettings
from stentor_pipelines.views import listed_view, pipeline_view

router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])
file_router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])

PipelineSettingsDep = Annotated[PipelineSettings, Depends(settings_of(PipelineSettings))]


def _body() -> dict[str, Any]:
    """The request body for the OpenAPI document: read by hand, because files are streamed."""
    schema = PipelineRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    options = {name: schema["properties"][name] for name in PipelineOptions.model_fields}
    options["steps"] = {"type": "string", "description": "The list of steps as JSON text."}
    form = {"type": "object", "properties": {"file": {"type": "string", "format": "binary"}, **options}}
    step = {"type": "object", "properties": {"do": {"enum": [each.value for each in Do]}}, "required": ["do"]}
    schema["properties"]["steps"]["items"] = step | {"additionalProperties": True}
    schema["properties"]["steps"].pop("default", None)
    content = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": True, "content": content}}


@file_router.post("", status_code=202, openapi_extra=_body())
async def create_pipeline(
    request: Request,
    response: Response,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: PipelineSettingsDep,
    prefer: Annotated[str, Header()] = "",
) -> PipelineView:
    """Several steps as one job: a recording or a text in, transcript, summary and speech out.

    Each step takes all options of its own requests (`POST /v1/transcriptions`, `/v1/summaries`, `/v1/speech`)
    beside `do`. Answers at once with a job to ask for; with `Prefer: wait=30` it waits so many seconds for
    the end, and then answers 200. With an `Idempotency-Key` a request that is sent twice makes one job.
    """
    flow, trace = await _read(request, runtime, caller)
    try:
        job, new = await create(runtime, settings, caller, flow, trace)
    except BaseException:
        await _discard(runtime, flow)
        raise
    if not new:
        await _discard(runtime, flow)
        response.headers["Idempotency-Replayed"] = "true"
    return await _answer(request, response, runtime, job, prefer)


@router.post("/{job_id}/rerun", status_code=202)
async def rerun_pipeline(
    job_id: str,
    asked: RerunRequest,
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: PipelineSettingsDep,
) -> PipelineView:
    """Do steps again, from one of them on, with the results of those before it; a new pipeline."""
    return await _view(request, runtime, await rerun(runtime, settings, caller, job_id, asked))


@router.get("")
async def list_pipelines(
    runtime: RuntimeDep,
    caller: ReaderDep,
    paging: PagingDep,
) -> PipelineList:
    """Your pipelines, newest first. Needs a token: without one a pipeline's id is the only key to it."""
    page = await own_jobs(runtime, caller, KIND, paging)
    return PipelineList(
        object="list",
        data=[listed_view(job) for job in page.jobs],
        has_more=page.has_more,
        next_after=page.next_after,
    )


@router.get("/{job_id}")
async def read_pipeline(
    job_id: str, request: Request, runtime: RuntimeDep, caller: ReaderDep
) -> PipelineView:
    """State, progress, and what each step gave."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
    return await _view(request, runtime, job)


@router.delete("/{job_id}", status_code=204, response_class=Response)
async def delete_pipeline(job_id: str, runtime: RuntimeDep, caller: WriterDep) -> None:
    """Delete a pipeline and the recording that came with it. One that still runs is stopped."""
    await forget(runtime, caller, job_id)


@router.post("/{job_id}/cancel")
async def cancel_pipeline(
    job_id: str, request: Request, runtime: RuntimeDep, caller: WriterDep
) -> PipelineView:
    """Stop a pipeline that waits or runs, with the step it is at. 409 when it is over."""
    return await _view(request, runtime, await cancel(runtime, caller, job_id, kind=KIND))


async def get_pipeline(job_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Job:
    async with runtime.db.reading() as session:
        return await JobRepository(session).get(job_id, caller, kind=KIND)


# Found before the answer begins: a stream that has begun can no longer say that there is no such job.
FollowedDep = Annotated[Job, Depends(get_pipeline)]


@router.get("/{job_id}/events", response_class=EventSourceResponse)
async def follow_pipeline(runtime: RuntimeDep, job: FollowedDep) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: `progress` each time something changed; at the end the name of the outcome."""
    async for each in events(runtime, job):
        yield each


async def _read(request: Request, runtime: Runtime, caller: Caller) -> tuple[Flow, RequestTrace]:
    if content_kind(request) != "multipart/form-data":
        fields = await read_fields(request)
        wanted = checked(PipelineRequest, fields)
        source = {name: getattr(wanted, name) for name in ("audio_url", "upload_id", "text")}
        given = {name: value for name, value in source.items() if value is not None}
        return flow_of(wanted, given), trace_of(request, fields)
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    form = await uploads.read_form(request, runtime, caller, file_names=("file", "audio"))
    upload = uploads.needed(form)
    try:
        options = checked(PipelineOptions, _with_steps(form.fields))
        if options.steps[0].do is not Do.transcribe:
            raise BadInput("a recording needs transcribe as first step", param="steps")
        return flow_of(options, {}, upload), trace_of(request, {**form.fields, "file": upload.sha256})
    except (RequestValidationError, AppError):
        await uploads.discard(runtime, upload)
        raise


def _with_steps(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A form's fields with the list of steps read. Raises BadInput."""
    if "steps" not in fields:
        return dict(fields)
    try:
        return {**fields, "steps": json.loads(fields["steps"])}
    except json.JSONDecodeError as error:
        raise BadInput(f"steps is not a list in JSON: {error}", param="steps") from None


async def _discard(runtime: Runtime, flow: Flow) -> None:
    if flow.attached:
        await uploads.delete(runtime, [uploads.Upload(id=flow.attached)])


async def _answer(
    request: Request, response: Response, runtime: Runtime, job: Job, prefer: str
) -> PipelineView:
    response.headers["Location"] = f"{public_base(request)}/v1/pipelines/{job.id}"
    if seconds := wait_preference(prefer):
        response.headers["Preference-Applied"] = f"wait={seconds}"
        job = await wait_finished(runtime, job.id, seconds) or job
    if not job.active:
        response.status_code = 200
    return await _view(request, runtime, job)


async def _view(request: Request, runtime: Runtime, job: Job) -> PipelineView:
    async with runtime.db.reading() as session:
        position = await JobRepository(session).position(job)
    return await pipeline_view(runtime, job, position, public_base(request))
