"""How a recording and what is wanted of it come out of an HTTP request, as JSON or as a form."""

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind, read_fields
from stentor_common.multipart import Part, parts
from stentor_common.runtime import Runtime
from stentor_common.webhooks import Callback
from stentor_stt import uploads
from stentor_stt.schemas import TranscriptionOptions, TranscriptionRequest
from stentor_stt.tables import Upload
from stentor_stt.transcriptions import Asked, RequestTrace

KEY_CHARACTERS = 255
LISTS = ("hotwords", "spelling")
"""Options of which a form may hold several: repeated, or one with commas."""

Take = Callable[[Part], Awaitable[bool]]
"""A contract's own way with a part that is not the file: True when it has taken it."""


@dataclass(frozen=True, slots=True)
class Form:
    fields: Mapping[str, Any]
    upload: Upload | None


async def read_asked(request: Request, runtime: Runtime, caller: Caller) -> tuple[Asked, RequestTrace]:
    """What a request to transcribe asks for. A file in it is stored on the way.

    Raises RequestValidationError, BadInput, UploadTooLarge, Throttled.
    """
    if content_kind(request) != "multipart/form-data":
        fields = await read_fields(request)
        wanted = checked(TranscriptionRequest, fields)
        return _asked(wanted, wanted.audio_url, wanted.upload_id, None), trace_of(request, fields)
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    form = await read_form(request, runtime, caller, file_names=("file", "audio"))
    try:
        if form.upload is None:
            wanted = checked(TranscriptionRequest, form.fields)
            asked = _asked(wanted, wanted.audio_url, wanted.upload_id, None)
        else:
            asked = _asked(checked(TranscriptionOptions, form.fields), None, None, form.upload)
        sha256 = form.upload.sha256 if form.upload else ""
        return asked, trace_of(request, {**form.fields, "file": sha256})
    except (RequestValidationError, BadInput):
        await uploads.discard(runtime, form.upload)
        raise


async def read_form(
    request: Request,
    runtime: Runtime,
    caller: Caller,
    *,
    file_names: tuple[str, ...],
    lists: Collection[str] = LISTS,
    take: Take | None = None,
) -> Form:
    """The fields of a multipart body; the first file of one of the names goes into the store.

    A field named in `lists` may come several times and becomes a list; one value may hold several with
    commas, unless `[]` after the name says that each comes by itself.
    """
    _refuse_large(request, runtime)
    fields: dict[str, Any] = {}
    upload = None
    try:
        async for part in parts(request.stream(), request.headers["content-type"]):
            if part.name in file_names and upload is None:
                upload = await uploads.receive(runtime, caller, part.filename, part.chunks())
            elif part.filename is None and not (take and await take(part)):
                await _add_field(fields, part, lists)
    except BaseException:
        # What comes after the file may be broken, or not come at all.
        await uploads.discard(runtime, upload)
        raise
    return Form(fields, upload)


async def _add_field(fields: dict[str, Any], part: Part, lists: Collection[str]) -> None:
    name, text = part.name.removesuffix("[]"), await part.text()
    if name in lists:
        values = [text] if part.name.endswith("[]") else text.split(",")
        fields[name] = [*fields.get(name, []), *(value.strip() for value in values if value.strip())]
    else:
        fields[name] = text


def _refuse_large(request: Request, runtime: Runtime) -> None:
    """Say so at once when the header already does, instead of after taking all of it."""
    slack = 1024 * 1024
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > runtime.settings.max_upload_bytes + slack:
        raise uploads.UploadTooLarge(runtime.settings.max_upload_bytes)


def _asked(
    wanted: TranscriptionOptions, audio_url: str | None, upload_id: str | None, upload: Upload | None
) -> Asked:
    return Asked(
        options=wanted.to_options(),
        provider=wanted.provider,
        model=wanted.model,
        audio_url=audio_url,
        upload_id=upload_id,
        upload=upload,
        vocabulary=wanted.vocabulary,
        callback=Callback(wanted.webhook_url) if wanted.webhook_url else None,
        summarize=wanted.summarize,
    )


def trace_of(request: Request, fields: Mapping[str, Any]) -> RequestTrace:
    """What a request says about itself; `fields` tell it from others. Raises BadInput."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= KEY_CHARACTERS:
        raise BadInput(f"an Idempotency-Key has 1 to {KEY_CHARACTERS} characters")
    told = "\n".join(f"{name}={fields[name]!r}" for name in sorted(fields))
    return RequestTrace(
        request_id=request.state.request_id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(told.encode()).hexdigest(),
    )


def needed(form: Form) -> Upload:
    """The form's file. Raises BadInput when it holds none."""
    if form.upload is None:
        raise BadInput("send the recording as field 'file' of a multipart form", param="file")
    return form.upload
