"""The contract of Deepgram for recordings (its API reference, `POST /v1/listen`): the recording is the body
or named by URL, the options are in the query, and the transcript is the answer, or is sent to a callback.

Other than at Deepgram a result is not lost with its callback: `request_id` is the id of a job, which can be
read at `/v1/transcriptions/{id}`.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.jobs.answer import finished
from stentor_common.jobs.table import Job
from stentor_common.problems import Problem
from stentor_common.requests import RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.webhooks import CallbackStyle
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.deepgram.options import answer
from stentor_stt.contracts.deepgram.request import STYLE, DeepgramOptions, Named, read
from stentor_stt.transcriptions import create, transcript_of

PREFIX = "/v1/listen"

CODES = {
    400: "Bad Request",
    401: "INVALID_AUTH",
    403: "INSUFFICIENT_PERMISSIONS",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    429: "TOO_MANY_REQUESTS",
}


def error_body(status: int, message: str, request_id: str) -> dict[str, str]:
    code = CODES.get(status, "Bad Request" if status < 500 else "INTERNAL_SERVER_ERROR")
    return {"err_code": code, "err_msg": message, "request_id": request_id}


def render_error(problem: Problem) -> Response:
    request_id = _as_uuid(problem.request_id)
    body = error_body(problem.status, problem.message, request_id)
    return JSONResponse(body, problem.status, {**problem.headers, "dg-request-id": request_id})


async def tell(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    """What a callback is sent: the whole answer, or the error."""
    found = await transcript_of(runtime, job)
    if found is None:
        return error_body(400, job.error_message or f"the request was {job.state}", str(job.id))
    return answer(job, *found)


ERROR_STYLES = {PREFIX: render_error}
CALLBACKS = {STYLE: CallbackStyle(tell)}

raw_router = APIRouter(tags=["Deepgram"])


def _described() -> dict[str, Any]:
    """Query and body for the OpenAPI document: read by hand, because recordings are streamed."""
    options = DeepgramOptions.model_json_schema()["properties"]
    recording = {"schema": {"type": "string", "format": "binary"}}
    by_url = {"schema": Named.model_json_schema()}
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in options.items()
        ],
        "requestBody": {"required": True, "content": {"audio/*": recording, "application/json": by_url}},
    }


@raw_router.post(PREFIX, openapi_extra=_described())
async def listen(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> Response:
    """Transcribe a recording and answer with the transcript; with `callback`, answer at once with a
    `request_id` and send the transcript there. What is not done is listed in `metadata.warnings`."""
    asked, trace = await read(request, runtime, caller, settings)
    job, _ = await create(runtime, settings, caller, asked, trace)
    headers = {"dg-request-id": str(job.id)}
    if asked.callback:
        return JSONResponse({"request_id": str(job.id)}, headers=headers)
    done = await finished(runtime, request, caller, job)
    found = await transcript_of(runtime, done)
    assert found is not None, "a completed job has a result"
    return JSONResponse(answer(done, *found), headers=headers)


def _as_uuid(request_id: str) -> str:
    """In the form in which theirs are; a client's own id as it is."""
    try:
        return str(uuid.UUID(request_id))
    except ValueError:
        return request_id
