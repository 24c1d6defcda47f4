"""The contract of AI/ML API for text to speech: `/v1/tts`.

Its models answer in two shapes. The documents of `#g1_aura…` and `elevenlabs/…` save the body as a file, so
these are answered with the sound itself, while it is made; those of all others read `audio.url` of an object,
as the published SDK does for every model. A client whose Accept header names one of the two gets that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from stentor_common.aiml_words import render_error
from stentor_common.errors import BadInput
from stentor_common.forms import checked, read_fields
from stentor_common.jobs.answer import finished
from stentor_common.jobs.trace import trace_of
from stentor_common.requests import WriterDep, public_base
from stentor_tts.api import SOUND, UncachedDep
from stentor_tts.intake import body_bytes
from stentor_tts.providers import choose_model, is_exact
from stentor_tts.schemas import FASTEST, SLOWEST
from stentor_tts.speeches import Asked, Repertoire, Wish, create, facts_of
from stentor_tts.streaming import StageDep, StreamResponse, open_stream
from stentor_tts.views import audio_path
from stentor_tts.voices import OPENAI, VoiceCatalog

PREFIX = "/v1/tts"
ERROR_STYLES = {PREFIX: render_error}

SOUND_MODELS = ("#g1_aura", "elevenlabs/")
"""How the names of models begin whose documents save the body as a file."""

FOREIGN = ("#g1_", "openai/", "elevenlabs/", "inworld/", "alibaba/", "hume/", "microsoft/", "minimax/")
"""How names of models begin that this contract's documents print."""

ENCODINGS = {"linear16": "wav"} | {name: name for name in ("mp3", "opus", "flac", "aac", "mulaw", "alaw")}
ULAW = {"ulaw": "mulaw"}
BARE = "none"
"""The container of samples without a header."""

router = APIRouter(prefix=PREFIX, tags=["AI/ML API"])
raw_router = APIRouter(prefix=PREFIX, tags=["AI/ML API"])


class VoiceSettings(BaseModel):
    model_config = ConfigDict(extra="ignore")

    speed: float | None = Field(default=None, ge=SLOWEST, le=FASTEST)


class TtsBody(BaseModel):
    """What else its models take is passed over: they shape voices that are not here."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True, populate_by_name=True)

    model: str = Field(min_length=1, max_length=200)
    """One of GET /v1/models, or a name of this contract, for which the voice here speaks that is named."""
    text: str
    voice: str | None = Field(default=None, max_length=64)
    """One of GET /v1/voices. A name that belongs to another vendor's model is answered by the default voice,
    which `meta.warnings` tells."""
    response_format: str | None = Field(
        default=None, max_length=32, validation_alias=AliasChoices("response_format", "format")
    )
    output_format: str | None = Field(default=None, max_length=32)
    """`mp3_44100_128` and its like: kind of file, samples a second; the rest has no effect."""
    encoding: str | None = Field(default=None, max_length=32)
    """`linear16`, `mp3`, `opus`, `flac`, `aac`, `mulaw`, `alaw`."""
    container: str | None = Field(default=None, max_length=32)
    """Of linear16: `wav`, or `none` for samples without a header."""
    sample_rate: int | None = None
    speed: float | None = Field(default=None, ge=SLOWEST, le=FASTEST)
    voice_settings: VoiceSettings = VoiceSettings()
    language: str | None = Field(default=None, min_length=2, max_length=35)

    @property
    def is_sound(self) -> bool:
        return self.model.startswith(SOUND_MODELS)

    def kind(self) -> tuple[str, int | None]:
        """The format and the sample rate. Raises BadInput."""
        if self.output_format:
            name, _, rest = self.output_format.partition("_")
            rate = rest.partition("_")[0]
            return ULAW.get(name, name), int(rate) if rate.isdecimal() else None
        if self.encoding:
            if self.encoding not in ENCODINGS:
                known = ", ".join(ENCODINGS)
                raise BadInput(
                    f"encoding: {self.encoding!r} is not offered; use one of {known}", param="encoding"
                )
            bare = self.encoding == "linear16" and self.container == BARE
            return "pcm" if bare else ENCODINGS[self.encoding], self.sample_rate
        return self.response_format or ("wav" if self.is_sound else "mp3"), self.sample_rate


@dataclass(frozen=True, slots=True)
class _Meant:
    wish: Wish
    warnings: list[str]


def _bodies() -> dict[str, Any]:
    """The request body for the OpenAPI document: read by hand, because texts are long."""
    schema = TtsBody.model_json_schema(by_alias=False)
    written = {"type": "object", "properties": schema["properties"], "required": ["model", "text"]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": written}}}}


@raw_router.post(
    "", status_code=201, response_class=JSONResponse, responses={201: SOUND[200]}, openapi_extra=_bodies()
)
async def speak(request: Request, stage: StageDep, caller: WriterDep, uncached: UncachedDep) -> Response:
    """Have a text spoken. Answers with the sound, or with `audio.url`, as the model's documents do."""
    fields = await read_fields(request, body_bytes(stage.repertoire.settings.max_characters))
    body = checked(TtsBody, fields)
    meant = _meant(body, stage.repertoire)
    wish = replace(meant.wish, cache=not uncached)
    if _wants_sound(request.headers, body):
        sound = await open_stream(stage, request, caller, body.text, wish)
        answer: Response = StreamResponse(sound, sound.headers)
        answer.status_code = 201
        return answer
    asked = Asked(wish=wish, text=body.text, contract="aiml", notes={"warnings": meant.warnings})
    job, _ = await create(stage.runtime, stage.repertoire, caller, asked, trace_of(request, fields))
    job = await finished(stage.runtime, request, caller, job)
    facts = facts_of(job)
    assert facts, "a completed job has a result"
    found = {
        "audio": {"url": public_base(request) + audio_path(job), "mime_type": facts.media_type},
        "usage": {"characters": facts.characters},
        "meta": {"usage": None, "warnings": meant.warnings},
    }
    return JSONResponse(found, 201)


def _wants_sound(headers: Mapping[str, str], body: TtsBody) -> bool:
    accepted = headers.get("accept", "").lower()
    if "audio/" in accepted:
        return True
    return body.is_sound and "application/json" not in accepted


def _meant(body: TtsBody, repertoire: Repertoire) -> _Meant:
    """What is wanted of the voices here. Raises UnknownModel, BadInput."""
    format, rate = body.kind()
    wish = Wish(
        voice=body.voice,
        language=body.language,
        speed=body.speed or body.voice_settings.speed or 1.0,
        format=format,
        sample_rate=rate,
    )
    if not body.model.startswith(FOREIGN):
        return _Meant(replace(wish, model=choose_model(body.model, repertoire.catalog)), [])
    warnings = [f"{body.model} is not served here; a voice of this installation speaks"]
    if body.voice and not _known(repertoire.catalog, body.voice):
        warnings.append(f"there is no voice {body.voice!r} here; the default voice speaks")
        wish = replace(wish, voice=None)
    return _Meant(wish, warnings)


def _known(catalog: VoiceCatalog, name: str) -> bool:
    return is_exact(catalog, name) or name.strip().casefold() in OPENAI
