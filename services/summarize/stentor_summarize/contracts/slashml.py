"""The SlashML contract for summaries, as its documents print it and its client 0.1.6 speaks it.

The documents hold the summary as text and as a list of objects; answers have both.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from stentor_common.errors import BadInput
from stentor_common.forms import read_fields
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.slashml import LISTED, desk, provider_of, read_job, render_error, without_result
from stentor_summarize.api import SummarizeSettingsDep
from stentor_summarize.schemas import joined_text
from stentor_summarize.summaries import KIND, Asked, Found, Summarization, create, summary_of

PREFIX = "/summarization/v1"
ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["SlashML"])
raw_router = APIRouter(prefix=PREFIX, tags=["SlashML"])


@raw_router.post("/jobs")
@raw_router.post("/summarize")
async def submit_job(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SummarizeSettingsDep
) -> dict[str, Any]:
    """Summarize `text`, one or a list, sent as form or JSON. It is deleted when the job is over."""
    await runtime.throttle.check_new_job(caller)
    fields = await read_fields(request, settings.max_text_bytes)
    trace = RequestTrace(request_id=request.state.request_id)
    job, _ = await create(runtime, settings, caller, asked_of(fields), trace)
    return await job_body(runtime, job)


@router.get("/jobs/{job_id}")
async def read_any_job(
    job_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    settings: SummarizeSettingsDep,
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


def asked_of(fields: Mapping[str, Any]) -> Asked:
    """What the fields of a request ask for. Raises BadInput."""
    text = joined_text(fields.get("text"))
    if not isinstance(text, str) or not text.strip():
        raise BadInput("send text, the words that are to be summarized, as one text or a list", param="text")
    return Asked(text=text, provider=provider_of(fields), contract="slashml")


async def job_body(runtime: Runtime, job: Job) -> dict[str, Any]:
    """A summary in the words of this contract."""
    return _without_result(job) | _result(await summary_of(runtime, job))


DESK = desk({KIND: job_body})


def _without_result(job: Job) -> dict[str, Any]:
    asked = Summarization.of(job.request)
    model = {"acoustic_model": asked.model, "language_model": asked.model}
    return without_result(job, asked.provider) | model | _result(None)


def _result(found: Found | None) -> dict[str, Any]:
    if found is None:
        return {"summarization_data": None, "summaries": []}
    text = found.summary.text
    return {"text": text, "summarization_data": text, "summaries": [{"summary_text": text}]}
