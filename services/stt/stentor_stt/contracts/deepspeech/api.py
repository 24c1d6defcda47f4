"""The contract of the DeepSpeech REST API for speech to text: a file in a form or on a WebSocket.

The text is written as DeepSpeech wrote it, in lower case and without punctuation. Hot-words are of the
request alone, and their case does not matter. Accounts of this contract are the auth service's.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from stentor_common import uploads
from stentor_common.deepspeech_words import told
from stentor_common.errors import BadInput
from stentor_common.forms import content_kind
from stentor_common.jobs.answer import finished
from stentor_common.jobs.trace import RequestTrace
from stentor_common.problems import Problem
from stentor_common.requests import RuntimeDep, WriterDep
from stentor_stt.api import SttSettingsDep
from stentor_stt.contracts.deepspeech import socket
from stentor_stt.contracts.deepspeech.text import MISSING, answer, hotwords
from stentor_stt.options import Options
from stentor_stt.transcriptions import Asked, create

PREFIX = "/api/v1/stt"


def render_error(problem: Problem) -> Response:
    return JSONResponse({**told(problem), "time": None}, problem.status, dict(problem.headers))


ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(tags=["DeepSpeech"])
router.add_api_websocket_route(f"{PREFIX}/ws", socket.transcribe_file)
file_router = APIRouter(prefix=PREFIX, tags=["DeepSpeech"])

FORM = {
    "type": "object",
    "properties": {"audio": {"type": "string", "format": "binary"}},
    "required": ["audio"],
    "additionalProperties": {"type": "number", "description": "A hot-word, with its boost"},
}
BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": FORM}}}}


@file_router.post("/http", openapi_extra=BODY)
async def transcribe_form(
    request: Request, runtime: RuntimeDep, caller: WriterDep, settings: SttSettingsDep
) -> dict[str, Any]:
    """Transcribe field `audio` of a multipart form; every other field is a hot-word with its boost, which is
    below zero for one to avoid."""
    if content_kind(request) != "multipart/form-data":
        raise BadInput(MISSING, param="audio")
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    form = await uploads.read_form(request, runtime, caller, file_names=("audio",))
    try:
        if form.upload is None:
            raise BadInput(MISSING, param="audio")
        options = Options(hotwords=hotwords(form.fields))
    except BaseException:
        await uploads.discard(runtime, form.upload)
        raise
    asked = Asked(options=options, upload=form.upload, contract="deepspeech")
    trace = RequestTrace(request_id=request.state.request_id)
    job, _ = await create(runtime, settings, caller, asked, trace)
    return await answer(runtime, await finished(runtime, request, caller, job))
