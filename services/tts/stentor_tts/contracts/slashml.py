"""The SlashML contract for text to speech: a short text is answered with its sound, a long one is polled."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import BadInput
from stentor_common.forms import read_fields
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_common.slashml import LISTED, provider_of, read_job, render_error, without_result
from stentor_tts.api import RepertoireDep
from stentor_tts.intake import body_bytes
from stentor_tts.speeches import KIND, Asked, Speech, Wish, create, facts_of
from stentor_tts.views import audio_path

PREFIX = "/text-to-speech/v1"
ERROR_STYLES = {PREFIX: render_error}

BASE = "base"
"""Note of the address by which the client came: answers about the job go on from there."""

router = APIRouter(prefix=PREFIX, tags=["SlashML"])
raw_router = APIRouter(prefix=PREFIX, tags=["SlashML"])


@raw_router.post("/jobs")
@raw_router.post("/upload")
async def submit_job(
    request: Request, runtime: RuntimeDep, caller: WriterDep, repertoire: RepertoireDep
) -> Response:
    """Have `text` spoken, sent as form or JSON. Waits a moment, so that a short text is COMPLETED, with
    `audio_url`; a longer one is IN_PROGRESS."""
    settings = repertoire.settings
    fields = await read_fields(request, body_bytes(settings.max_characters))
    asked = Asked(
        wish=Wish(provider=provider_of(fields), voice=_word(fields, "voice"), model=_word(fields, "model")),
        text=_text(fields),
        contract="slashml",
        notes={BASE: public_base(request)},
    )
    trace = RequestTrace(request_id=request.state.request_id)
    job, _ = await create(runtime, repertoire, caller, asked, trace)
    return await read_job(runtime, caller, str(job.id), {KIND: job_body}, settings.short_wait_seconds)


@router.get("/jobs/{job_id}")
async def read_any_job(
    job_id: str,
    runtime: RuntimeDep,
    caller: ReaderDep,
    repertoire: RepertoireDep,
    _provider: Annotated[str, Query(alias="service_provider")] = "",
) -> Response:
    """The job, held for a moment if it is about to end. A failed one is answered with 400."""
    return await read_job(runtime, caller, job_id, {KIND: job_body}, repertoire.settings.short_wait_seconds)


@router.get("/jobs")
async def list_jobs(runtime: RuntimeDep, caller: ReaderDep) -> Response:
    """Your newest jobs; none without a token."""
    if caller.user_id is None:
        return JSONResponse([])
    async with runtime.db.reading() as session:
        jobs = await JobRepository(session).listed(caller, KIND, limit=LISTED, after=None, state=None)
    return JSONResponse([_without_result(job) for job in jobs])


async def job_body(runtime: Runtime, job: Job) -> dict[str, Any]:
    """A speech in the words of this contract."""
    facts = facts_of(job)
    if facts is None:
        return _without_result(job)
    base = Speech.of(job.request).notes.get(BASE) or runtime.settings.public_url.rstrip("/")
    made = {"audio_url": base + audio_path(job), "audio_duration": facts.duration_ms / 1000}
    return _without_result(job) | made


def _text(fields: Mapping[str, Any]) -> str:
    """The text; a client may send several, which are one."""
    found = fields.get("text")
    texts: list[Any] = found if isinstance(found, list) else [found]
    if not texts or not all(isinstance(each, str) for each in texts):
        raise BadInput("send the text to be spoken as field 'text'", param="text")
    return "\n\n".join(texts)


def _word(fields: Mapping[str, Any], name: str) -> str | None:
    found = fields.get(name)
    if found is not None and not isinstance(found, str):
        raise BadInput(f"{name} must be text", param=name)
    return found or None


def _without_result(job: Job) -> dict[str, Any]:
    speech = Speech.of(job.request)
    model = {"acoustic_model": speech.model, "language_model": speech.model}
    return without_result(job, speech.provider) | model
