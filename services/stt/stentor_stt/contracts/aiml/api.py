"""The contract of AI/ML API for speech to text: a job is made, polled, and gone after an hour.

Successes are 201 for making and 200 for reading, because programs compare them; an error of a job is told
with 200, as its state.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request

from stentor_common import uploads
from stentor_common.aiml_words import render_error
from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.answer import finished
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import trace_of
from stentor_common.multipart import Part
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.aiml import answer
from stentor_stt.contracts.aiml.options import (
    TEXT_LISTS,
    WORD_LISTS,
    AimlOptions,
    AimlRequest,
    family_of,
    served_model,
)
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import KIND, Asked, create, transcript_of

PREFIX = "/v1/stt"
KEPT = timedelta(hours=1)

ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["AI/ML API"])
file_router = APIRouter(prefix=PREFIX, tags=["AI/ML API"])


def _bodies() -> dict[str, Any]:
    """The request bodies for the OpenAPI document: read by hand, because files are streamed."""
    by_url = AimlRequest.model_json_schema(by_alias=True)
    by_file = AimlOptions.model_json_schema(by_alias=True)
    file = {"audio": {"type": "string", "format": "binary"}}
    content = {
        "application/json": {"schema": {key: by_url[key] for key in ("type", "properties", "required")}},
        "multipart/form-data": {"schema": {"type": "object", "properties": file | by_file["properties"]}},
    }
    return {"requestBody": {"required": True, "content": content}}


@file_router.post("/create", status_code=201, openapi_extra=_bodies())
async def create_generation(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """Transcribe the recording at `url`, as JSON, or one sent as `audio` of a multipart form.

    The 29 options of the contract are taken; what is not done is listed in `result.metadata.warnings`.
    """
    return answer.created(await _made(request, runtime, caller, settings))


@router.get("/{generation_id}")
async def read_generation(generation_id: str, runtime: RuntimeDep, caller: ReaderDep) -> dict[str, Any]:
    """State of a transcription and, once it is completed, its result. It is kept for an hour."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(generation_id, caller, kind=KIND)
    return answer.body(job, await transcript_of(runtime, job))


@file_router.post("", status_code=201, openapi_extra=_bodies())
async def transcribe_at_once(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """The older form: waits for the end and answers with the result alone."""
    job = await finished(runtime, request, caller, await _made(request, runtime, caller, settings))
    found = await transcript_of(runtime, job)
    assert found is not None, "a completed job has a result"
    return answer.result(job, *found)


async def _made(request: Request, runtime: Runtime, caller: Caller, settings: SttSettings) -> Job:
    fields, upload = await _read(request, runtime, caller)
    try:
        if upload is not None and (fields.get("url") or fields.get("audio_url")):
            raise BadInput("send either url or a file, not both", param="url")
        wanted = checked(AimlRequest if upload is None else AimlOptions, fields)
        asked = _asked(wanted, settings, upload)
        trace = trace_of(request, {**fields, "file": upload.sha256 if upload else ""})
    except BaseException:
        await uploads.discard(runtime, upload)
        raise
    job, _ = await create(runtime, settings, caller, asked, trace)
    return job


async def _read(
    request: Request, runtime: Runtime, caller: Caller
) -> tuple[Mapping[str, Any], Upload | None]:
    if content_kind(request) != "multipart/form-data":
        return await read_fields(request), None
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    texts: dict[str, list[str]] = {}

    async def take(part: Part) -> bool:
        """Texts of which there may be several, and which may hold commas."""
        name = part.name.removesuffix("[]")
        if name not in TEXT_LISTS:
            return False
        texts.setdefault(name, []).append(await part.text())
        return True

    form = await uploads.read_form(
        request, runtime, caller, file_names=("audio", "file"), lists=WORD_LISTS, take=take
    )
    return {**form.fields, **texts}, form.upload


def _asked(wanted: AimlOptions, settings: SttSettings, upload: Upload | None) -> Asked:
    model, meant = served_model(wanted.model, settings)
    notes = {**wanted.notes(), "family": family_of(wanted.model)}
    if not meant:
        notes["warnings"].append(["model", f"{wanted.model} is not served here; {model} did the work"])
    return Asked(
        options=wanted.options(),
        model=model,
        audio_url=wanted.url if isinstance(wanted, AimlRequest) else None,
        upload=upload,
        retention=KEPT,
        contract="aiml",
        notes=notes,
    )
