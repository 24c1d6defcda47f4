"""How a text and what is wanted of it come out of an HTTP request, as JSON or as a form."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput, TooLarge
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.multipart import Part
from stentor_common.runtime import Runtime
from stentor_common.webhooks import Callback
from stentor_summarize.schemas import SummaryOptions, SummaryRequest
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.summaries import Asked

FILE_FIELDS = ("file", "document")
EVENT_STREAM = "text/event-stream"


async def read_asked(
    request: Request, runtime: Runtime, settings: SummarizeSettings, caller: Caller
) -> tuple[Asked, RequestTrace, bool]:
    """What a request to summarize asks for, and whether it wants the text as it is written. A file in it is
    stored on the way.

    Raises RequestValidationError, BadInput, TooLarge, Throttled.
    """
    # Before megabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    if content_kind(request) != "multipart/form-data":
        fields = await read_fields(request, settings.max_text_bytes)
        wanted = checked(SummaryRequest, fields)
        return asked_of(wanted), trace_of(request, fields), _streams(request, wanted)
    form = await _read_form(request, runtime, settings, caller)
    try:
        sent = {**form.fields, "file": form.upload.sha256 if form.upload else ""}
        if form.upload is None:
            wanted = checked(SummaryRequest, form.fields)
            return asked_of(wanted), trace_of(request, sent), _streams(request, wanted)
        options = checked(SummaryOptions, form.fields)
        return _asked(options, upload=form.upload), trace_of(request, sent), _streams(request, options)
    except (RequestValidationError, BadInput):
        await uploads.discard(runtime, form.upload)
        raise


async def _read_form(
    request: Request, runtime: Runtime, settings: SummarizeSettings, caller: Caller
) -> uploads.Form:
    texts: list[str] = []

    async def take(part: Part) -> bool:
        """Texts may be longer than what forms usually hold."""
        if part.name.removesuffix("[]") != "text":
            return False
        texts.append(await part.text(settings.max_text_bytes))
        if sum(map(len, texts)) > settings.max_text_bytes:
            raise TooLarge(f"the texts are larger than {settings.max_text_bytes} bytes, the limit here")
        return True

    form = await uploads.read_form(request, runtime, caller, file_names=FILE_FIELDS, take=take)
    return uploads.Form({**form.fields, "text": texts}, form.upload) if texts else form


def asked_of(wanted: SummaryRequest) -> Asked:
    """The same without the ways of HTTP."""
    return _asked(
        wanted,
        text=wanted.text,
        upload_id=wanted.upload_id,
        url=wanted.url,
        transcript_id=wanted.transcript_id,
    )


def _asked(wanted: SummaryOptions, **source: Any) -> Asked:
    return Asked(
        wanted=wanted.to_wanted(),
        provider=wanted.provider,
        model=wanted.model,
        callback=Callback(wanted.webhook_url) if wanted.webhook_url else None,
        **source,
    )


def _streams(request: Request, wanted: SummaryOptions) -> bool:
    return wanted.stream or EVENT_STREAM in request.headers.get("accept", "").lower()
