"""What a request to Deepgram's `POST /v1/listen` asks for: options by its query, a recording by its body."""

import base64
import re
from collections.abc import AsyncIterable
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit, urlunsplit

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, Field, model_validator
from starlette.datastructures import QueryParams

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.forms import checked, content_kind, read_large_json
from stentor_common.jobs.trace import RequestTrace, trace_of
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_common.webhooks import Callback
from stentor_stt.contracts.deepgram.options import ListenOptions
from stentor_stt.models import canonical
from stentor_stt.raw_sound import ENCODINGS, RawSound, as_wav
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import Asked

STYLE = "deepgram"

THEIRS = re.compile(
    r"(nova|enhanced|base|whisper|general|meeting|phonecall|voicemail|finance|conversationalai|video|medical"
    r"|drivethru|automotive|atc)\b",
    re.IGNORECASE,
)
"""Deepgram's models. Who asks for one gets the installation's default, and a warning."""

PROTECTIVE = ("redact", "profanity_filter")
"""Options that are refused rather than left undone: who sends them counts on what they take out."""


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class DeepgramOptions(ListenOptions):
    model: str | None = Field(default=None, max_length=200)
    diarize_model: str | None = Field(default=None, max_length=64)
    """Tells speakers apart as `diarize` does."""
    callback: str | None = Field(default=None, max_length=2048)
    """Told of the result; a user and a password in it are sent as Basic authentication."""
    callback_method: Annotated[Literal["POST", "PUT"], BeforeValidator(_upper)] = "POST"
    encoding: str | None = Field(default=None, max_length=32)
    """With `sample_rate`: the body is samples without a container."""
    sample_rate: int | None = Field(default=None, ge=1000, le=384_000)
    channels: int = Field(default=1, ge=1, le=64)

    @model_validator(mode="after")
    def whole(self) -> Self:
        for name in PROTECTIVE:
            if (self.model_extra or {}).get(name) not in (None, "", "false", []):
                raise ValueError(f"{name} is not done here: nothing would be taken out of the transcript")
        self.diarize = self.diarize or bool(self.diarize_model)
        return self

    def raw_sound(self) -> RawSound | None:
        if self.encoding not in ENCODINGS or self.sample_rate is None:
            return None
        return RawSound(self.encoding, self.sample_rate, self.channels)

    def served_model(self, settings: SttSettings) -> tuple[str | None, list[str]]:
        """The model that does the work, None for the default, and warnings. Raises BadInput for a name that
        nobody knows."""
        name = self.model
        if not name:
            return None, []
        served = [canonical(model) for model in settings.models]
        for each in (name, name.removeprefix("whisper-")):
            if canonical(each) in served:
                return each, []
        if THEIRS.match(name):
            return None, [f"{name} is not served here; {served[0]} did the work"]
        raise BadInput(f"there is no model {name!r}; served are {', '.join(served)}", param="model")

    def told(self, caller: Caller) -> Callback | None:
        """Who is told of the result."""
        if not self.callback:
            return None
        url, headers = _without_credentials(self.callback)
        if caller.token_id:
            headers["dg-token"] = str(caller.token_id)
        return Callback(url, style=STYLE, method=self.callback_method, headers=headers, signed=False)


class Named(BaseModel):
    """A recording that is somewhere already."""

    url: str = Field(min_length=1, max_length=4096)


async def read(
    request: Request, runtime: Runtime, caller: Caller, settings: SttSettings
) -> tuple[Asked, RequestTrace]:
    """What a request asks for. A recording in it is stored on the way, and goes if the request is refused.

    Raises RequestValidationError, BadInput, Throttled, UploadTooLarge, UploadEmpty.
    """
    query = query_of(request.query_params)
    options = checked(DeepgramOptions, query)
    model, warnings = options.served_model(settings)
    wanted, callback = options.options(), options.told(caller)
    # Before gigabytes are taken from somebody who may not make a job.
    await runtime.throttle.check_new_job(caller)
    named, upload = await _recording(request, runtime, caller, options)
    sha256 = upload.sha256 or "" if upload else ""
    try:
        trace = trace_of(request, {**query, "url": named, "sha256": sha256})
    except BadInput:
        await uploads.discard(runtime, upload)
        raise
    notes = options.notes() | {"sha256": sha256}
    notes["warnings"] += [["model", each] for each in warnings]
    asked = Asked(
        options=wanted,
        model=model,
        audio_url=named,
        upload=upload,
        callback=callback,
        contract="deepgram",
        notes=notes,
    )
    return asked, trace


async def _recording(
    request: Request, runtime: Runtime, caller: Caller, options: DeepgramOptions
) -> tuple[str | None, Upload | None]:
    kind = content_kind(request)
    if kind == "application/json":
        body = await read_large_json(request, runtime.settings.max_body_bytes)
        return checked(Named, body).url, None
    if kind == "multipart/form-data":
        raise BadInput('send the recording as the body itself, or JSON with its "url"')
    chunks: AsyncIterable[bytes] = request.stream()
    if sound := options.raw_sound():
        announced = request.headers.get("content-length", "")
        chunks = as_wav(chunks, sound, int(announced) if announced.isdigit() else None)
    return None, await uploads.receive(runtime, caller, None, chunks)


def query_of(query: QueryParams) -> dict[str, Any]:
    """The options; those that come several times as lists."""
    sent: dict[str, Any] = {}
    for name, value in query.multi_items():
        before = sent.get(name)
        sent[name] = value if before is None else [*(before if isinstance(before, list) else [before]), value]
    return sent


def _without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The URL, and the header that its user and password become."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # No URL at all: it will be refused, in words for that.
        return url, {}
    credentials, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    user, _, password = credentials.partition(":")
    encoded = base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {encoded}"}
