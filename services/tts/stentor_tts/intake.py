"""How a text and what is wanted of it come out of an HTTP request, as JSON or as a form."""

from dataclasses import replace

from fastapi import Request

from stentor_common.auth import Caller
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.multipart import Part
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload, discard, read_form
from stentor_common.webhooks import Callback
from stentor_tts.schemas import JobOptions, SpeechRequest
from stentor_tts.settings import TtsSettings
from stentor_tts.speeches import Asked

LONGEST_CHARACTER = 12
"""Bytes that a character may take in a body: two escapes of six in JSON, four of three in a form."""

BESIDE_TEXT_BYTES = 64 * 1024
TEXTS = ("text", "ssml")


def body_bytes(characters: int) -> int:
    """How long a body may be with a text of so many characters in it."""
    return LONGEST_CHARACTER * characters + BESIDE_TEXT_BYTES


async def read_asked(
    request: Request, runtime: Runtime, caller: Caller, settings: TtsSettings
) -> tuple[Asked, RequestTrace]:
    """What a request for a job asks for. A file in it is stored on the way.

    Raises RequestValidationError, BadInput, TooLarge, UploadTooLarge, Throttled.
    """
    longest = body_bytes(settings.max_characters)
    if content_kind(request) != "multipart/form-data":
        fields = await read_fields(request, longest)
        return asked_of(checked(SpeechRequest, fields)), trace_of(request, fields)
    # Before a large file is taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    texts: dict[str, str] = {}

    async def take(part: Part) -> bool:
        if part.name not in TEXTS:
            return False
        texts[part.name] = await part.text(longest)
        return True

    form = await read_form(request, runtime, caller, file_names=("file", "text_file"), take=take)
    try:
        sent = {**form.fields, **texts}
        if form.upload is None:
            return asked_of(checked(SpeechRequest, sent)), trace_of(request, sent)
        asked = _asked(checked(JobOptions, sent), form.upload)
        return asked, trace_of(request, {**sent, "file": form.upload.sha256})
    except BaseException:
        await discard(runtime, form.upload)
        raise


def asked_of(wanted: SpeechRequest) -> Asked:
    """What a request of the native contract asks for."""
    asked = _asked(wanted, None)
    return replace(asked, text=wanted.written, upload_id=wanted.text_upload)


def _asked(wanted: JobOptions, upload: Upload | None) -> Asked:
    callback = Callback(wanted.webhook_url) if wanted.webhook_url else None
    return Asked(wish=wanted.wish(), upload=upload, callback=callback)
