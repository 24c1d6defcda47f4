"""How a request of the OpenAI audio contract is read: its form, the recording, samples of known voices."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind
from stentor_common.inline_files import decoded
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.multipart import Part
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_stt.contracts.openai.form import MOST_KNOWN, NAMES, REFERENCES, AudioForm
from stentor_stt.transcriptions import Asked

STAND_INS = frozenset(
    {
        "gpt-transcribe",
        "gpt-4o-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe-diarize",
    }
)
"""OpenAI's models beside whisper-1. Who asks for one gets the installation's default, so that programs move
here by a change of their URL."""

LISTS = (
    "languages",
    "keywords",
    "timestamp_granularities",
    "include",
    NAMES,
    "hotwords",
    "spelling",
)
NESTED = re.compile(r"chunking_strategy\[(\w+)\]")

REFERENCE_BYTES = 4 * 1024 * 1024
"""Ten seconds of sound in any usual form."""

F = TypeVar("F", bound=AudioForm)


@dataclass(frozen=True, slots=True)
class Sent(Generic[F]):
    """A request as it came, and what it asks of us."""

    form: F
    asked: Asked
    trace: RequestTrace


async def read(request: Request, runtime: Runtime, caller: Caller, kind: type[F]) -> Sent[F]:
    """What a request asks for. Its files are stored on the way; nothing is kept of one that is refused.

    Raises RequestValidationError, BadInput, TooLarge, Throttled.
    """
    if content_kind(request) != "multipart/form-data":
        raise BadInput("send a multipart/form-data body with the recording as `file`", param="file")
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    upload, references = None, _References(runtime, caller)
    try:
        sent = await uploads.read_form(
            request, runtime, caller, file_names=("file",), lists=LISTS, take=references.take
        )
        upload = sent.upload
        form = checked(kind, _given(sent.fields))
        return _sent(request, form, uploads.needed(sent), references.uploads)
    except BaseException:
        await uploads.discard(runtime, upload, *references.uploads)
        raise


def _sent(request: Request, form: F, upload: Upload, references: list[Upload]) -> Sent[F]:
    asked = Asked(
        options=form.options([str(each.id) for each in references]),
        model=None if form.model.lower() in STAND_INS else form.model,
        upload=upload,
        attached=tuple(references),
        vocabulary=form.vocabulary,
        contract="openai",
    )
    files = [each.sha256 for each in (upload, *references)]
    return Sent(form, asked, trace_of(request, {**form.model_dump(), "files": files}))


def _given(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that say something, those like `chunking_strategy[type]` as one object."""
    # Clients send what is not set as an empty text: a form knows no null.
    given = {name: value for name, value in fields.items() if value not in ("", [])}
    nested = {found[1]: given.pop(name) for name in list(given) if (found := NESTED.fullmatch(name))}
    return {**given, "chunking_strategy": nested} if nested else given


class _References:
    """Samples of known voices that come as data URLs: taken out of the form one by one, and stored."""

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime, self._caller = runtime, caller
        self.uploads: list[Upload] = []

    async def take(self, part: Part) -> bool:
        """Raises BadInput, TooLarge."""
        if part.name.removesuffix("[]") != REFERENCES:
            return False
        if len(self.uploads) == MOST_KNOWN:
            raise BadInput(f"at most {MOST_KNOWN} speakers can be known", param=REFERENCES)
        sound = decoded(await part.text(limit=REFERENCE_BYTES * 4 // 3), param=REFERENCES)
        if not sound:
            raise BadInput("a sample is empty", param=REFERENCES)
        self.uploads.append(await uploads.receive(self._runtime, self._caller, "voice", _once(sound)))
        return True


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
