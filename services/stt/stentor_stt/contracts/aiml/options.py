"""Options of AI/ML API's speech to text: those of Deepgram, AssemblyAI and OpenAI, whose models it offers."""

import re
from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BeforeValidator, Field, model_validator

from stentor_common.errors import BadInput
from stentor_common.wire import Wire
from stentor_stt.contracts.deepgram.options import NOTHING, ListenOptions, Switch, Words
from stentor_stt.fields import MOST_SPEAKERS, MOST_TERMS, Term, json_list
from stentor_stt.models import canonical
from stentor_stt.options import Diarization, Hotword, Options, Spelling
from stentor_stt.settings import SttSettings

KNOWN = re.compile(r"(#g1_)?(whisper|nova|enhanced)\b|aai/|openai/", re.IGNORECASE)
"""Names of models that this contract's documents print."""

WORD_LISTS = ("keywords", "keyterm", "keyterms_prompt", "word_boost")
TEXT_LISTS = ("search", "replace", "tag", "extra")


class Family(StrEnum):
    """Whose model was asked for: states and results are told in its maker's way."""

    deepgram = "deepgram"
    """Also of the Whisper models, which AI/ML API has from Deepgram."""
    assembly = "assembly"
    openai = "openai"


def family_of(model: str) -> Family:
    if model.startswith("aai/"):
        return Family.assembly
    return Family.openai if model.startswith("openai/") else Family.deepgram


def _given(value: Any) -> Any:
    return None if value in NOTHING else value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class CustomSpelling(Wire):
    from_: Annotated[list[Term], BeforeValidator(_several)] = Field(alias="from")
    to: str = Field(max_length=200)


class AimlOptions(ListenOptions):
    model: str = Field(min_length=1, max_length=200)
    """`#g1_whisper-large` and its like. One that is not served is answered by the default model, which a
    warning tells."""
    language: str | None = Field(
        default=None, max_length=32, validation_alias=AliasChoices("language", "language_code")
    )
    prompt: Annotated[str | None, Field(max_length=10_000), BeforeValidator(_given)] = None
    """Text in the style and spelling hoped for."""
    temperature: Annotated[float | None, Field(ge=0, le=1), BeforeValidator(_given)] = None
    language_detection: Switch = False
    speaker_labels: Switch = False
    speakers_expected: Annotated[int | None, Field(ge=1, le=MOST_SPEAKERS), BeforeValidator(_given)] = None
    keyterms_prompt: Words = Field(default=[])
    word_boost: Words = Field(default=[])
    custom_spelling: Annotated[
        list[CustomSpelling], Field(max_length=MOST_TERMS), BeforeValidator(json_list)
    ] = Field(default=[])
    audio_start_from: Annotated[int | None, Field(ge=0), BeforeValidator(_given)] = None
    """In milliseconds: only from here on."""
    audio_end_at: Annotated[int | None, Field(gt=0), BeforeValidator(_given)] = None

    @model_validator(mode="after")
    def ends_after_its_start(self) -> Self:
        if self.audio_end_at is not None and self.audio_end_at <= (self.audio_start_from or 0):
            raise ValueError("audio_end_at must be after audio_start_from")
        return self

    def options(self) -> Options:
        found = super().options()
        diarized = self.diarize or self.speaker_labels
        spelled = (Spelling(heard, each.to) for each in self.custom_spelling for heard in each.from_)
        return replace(
            found,
            language=None if self.language_detection else found.language,
            prompt=self.prompt,
            temperature=self.temperature or None,
            hotwords=(*found.hotwords, *map(Hotword, (*self.keyterms_prompt, *self.word_boost))),
            spelling=(*found.spelling, *spelled),
            clip_start_ms=self.audio_start_from or 0,
            clip_end_ms=self.audio_end_at,
            diarization=Diarization(self.speakers_expected) if diarized else None,
        )

    @classmethod
    def of_no_effect(cls) -> frozenset[str]:
        # A transcript is formatted, and its times are there, whatever these say.
        always = {"format_text", "response_format", "timestamp_granularities", "chunking_strategy", "stream"}
        return super().of_no_effect() | always


class AimlRequest(AimlOptions):
    """A recording that is somewhere already."""

    url: str = Field(min_length=1, max_length=4096, validation_alias=AliasChoices("url", "audio_url"))
    """A public http(s) URL of audio or video."""


def served_model(name: str, settings: SttSettings) -> tuple[str, bool]:
    """The model that does the work for one of this contract's names, and whether it is the one meant.

    Raises BadInput for a name that nobody knows.
    """
    served = [canonical(model) for model in settings.models]
    plain = name.lower().removeprefix("#g1_")
    for each in (name, plain, plain.removeprefix("whisper-")):
        if canonical(each) in served:
            return canonical(each), True
    if not KNOWN.match(name):
        raise BadInput(
            f"model: {name[:200]!r} is not known; use #g1_whisper-large or one of {', '.join(served)}",
            param="model",
        )
    return served[0], False
