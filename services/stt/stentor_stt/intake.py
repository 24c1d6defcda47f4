"""How a recording and what is wanted of it come out of an HTTP request, as JSON or as a form."""

from dataclasses import replace

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.runtime import Runtime
from stentor_common.uploads import discard, read_form
from stentor_common.webhooks import Callback
from stentor_stt.schemas import TranscriptionOptions, TranscriptionRequest
from stentor_stt.transcriptions import Asked

LISTS = ("hotwords", "spelling")
"""Options of which a form may hold several: repeated, or one with commas."""


async def read_asked(request: Request, runtime: Runtime, caller: Caller) -> tuple[Asked, RequestTrace]:
    """What a request to transcribe asks for. A file in it is stored on the way.

    Raises RequestValidationError, BadInput, UploadTooLarge, Throttled.
    """
    if content_kind(request) != "multipart/form-data":
        fields = await read_fields(request)
        wanted = checked(TranscriptionRequest, fields)
        return asked_of(wanted), trace_of(request, fields)
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    form = await read_form(request, runtime, caller, file_names=("file", "audio"), lists=LISTS)
    try:
        if form.upload is None:
            wanted = checked(TranscriptionRequest, form.fields)
            asked = asked_of(wanted)
        else:
            asked = replace(_asked(checked(TranscriptionOptions, form.fields)), upload=form.upload)
        sha256 = form.upload.sha256 if form.upload else ""
        return asked, trace_of(request, {**form.fields, "file": sha256})
    except (RequestValidationError, BadInput):
        await discard(runtime, form.upload)
        raise


def asked_of(wanted: TranscriptionRequest) -> Asked:
    """What a request asks for that names where the recording is."""
    return replace(_asked(wanted), audio_url=wanted.audio_url, upload_id=wanted.upload_id)


def _asked(wanted: TranscriptionOptions) -> Asked:
    return Asked(
        options=wanted.to_options(),
        provider=wanted.provider,
        model=wanted.model,
        vocabulary=wanted.vocabulary,
        callback=Callback(wanted.webhook_url) if wanted.webhook_url else None,
        summarize=wanted.summarize,
    )
