"""A multipart form with a file in it: the file goes into the store while it comes."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.multipart import Part, parts
from stentor_common.uploads.storing import UploadTooLarge, discard, receive
from stentor_common.uploads.table import Upload

if TYPE_CHECKING:
    from fastapi import Request

    from stentor_common.runtime import Runtime

Take = Callable[[Part], Awaitable[bool]]
"""A contract's own way with a part that is not the file: True when it has taken it."""


@dataclass(frozen=True, slots=True)
class Form:
    fields: Mapping[str, Any]
    upload: Upload | None


async def read_form(
    request: "Request",
    runtime: "Runtime",
    caller: Caller,
    *,
    file_names: tuple[str, ...],
    lists: Collection[str] = (),
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
                upload = await receive(runtime, caller, part.filename, part.chunks())
            elif part.filename is None and not (take and await take(part)):
                await _add_field(fields, part, lists)
    except BaseException:
        # What comes after the file may be broken, or not come at all.
        await discard(runtime, upload)
        raise
    return Form(fields, upload)


def needed(form: Form, what: str = "recording") -> Upload:
    """The form's file. Raises BadInput when it holds none."""
    if form.upload is None:
        raise BadInput(f"send the {what} as field 'file' of a multipart form", param="file")
    return form.upload


async def _add_field(fields: dict[str, Any], part: Part, lists: Collection[str]) -> None:
    name, text = part.name.removesuffix("[]"), await part.text()
    if name in lists:
        values = [text] if part.name.endswith("[]") else text.split(",")
        fields[name] = [*fields.get(name, []), *(value.strip() for value in values if value.strip())]
    else:
        fields[name] = text


def _refuse_large(request: "Request", runtime: "Runtime") -> None:
    """Say so at once when the header already does, instead of after taking all of it."""
    slack = 1024 * 1024
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > runtime.settings.max_upload_bytes + slack:
        raise UploadTooLarge(runtime.settings.max_upload_bytes)
