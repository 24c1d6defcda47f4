"""The forms of the OpenAI audio contract: fields, what fits together, and the options they mean."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator

from stentor_common.errors import BadInput
from stentor_common.wire import Wire
from stentor_stt.fields import (
    MOST_SPEAKERS,
    MOST_TERMS,
    Hotwords,
    Spellings,
    Term,
    hotwords_of,
    spellings_of,
)
from stentor_stt.languages import language_code
from stentor_stt.options import Diarization, Hotword, KnownSpeaker, Options, Task

MOST_KNOWN = 4
"""Speakers whose voices a request may bring along."""

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
BY_WORDS = ("srt", "vtt", "diarized_json")
"""Formats for which it must be known when each word is said."""

STREAMED = ("json", "text", "diarized_json")

TextFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]


def _code(named: str) -> str:
    code = language_code(named)
    if code is None:
        raise ValueError(f"{named!r} is no language known here; use a code such as `en`, or none")
    return code


def _chunking_object(value: Any) -> Any:
    if value == "auto":
        return {"type": value}
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("this must be `auto` or an object of type `server_vad`") from None
    return value


# In a form all is text.
TEXTS = WithJsonSchema({"type": "array", "items": {"type": "string"}})
LanguageCode = Annotated[str, Field(max_length=32), AfterValidator(_code)]


class Chunking(Wire):
    """Checked and without effect: recordings are always cut where nobody speaks."""

    type: Literal["auto", "server_vad"]
    prefix_padding_ms: int = Field(default=300, ge=0)
    silence_duration_ms: int = Field(default=200, ge=0)
    threshold: float = Field(default=0.5, ge=0, le=1)


class AudioForm(Wire):
    """What both routes take beside the file; what is ours may be sent as `extra_body`."""

    model: str = Field(min_length=1, max_length=200)
    """One of GET /v1/models; the name of one of OpenAI's models means the default model here."""
    prompt: str | None = Field(default=None, max_length=10_000)
    """Text in the style and spelling hoped for."""
    temperature: float = Field(default=0, ge=0, le=1)
    """0 begins with the likeliest text and rises where a result looks wrong; any other stays as it is."""
    language: LanguageCode | None = None
    """What is spoken, as a code such as `en`; without it the model finds out."""
    response_format: str = "json"
    hotwords: Annotated[Hotwords, TEXTS] = Field(default=[])
    """Ours: names and terms to listen for, each `word` or `word:boost`; a negative boost avoids them."""
    spelling: Annotated[Spellings, TEXTS] = Field(default=[])
    """Ours: how words are to be written, each `heard=written`."""
    vocabulary: str | None = Field(default=None, max_length=64)
    """Ours: name of one of your vocabularies."""
    voice_activity: bool = True
    """Ours: whether the model is given speech only."""
    clip_start_ms: int = Field(default=0, ge=0)
    """Ours: only from here on; times still count from the recording's start."""
    clip_end_ms: int | None = Field(default=None, gt=0)
    """Ours: only up to here."""

    @field_validator("clip_end_ms")
    @classmethod
    def after_its_start(cls, end_ms: int | None, info: ValidationInfo) -> int | None:
        if end_ms is not None and end_ms <= info.data.get("clip_start_ms", 0):
            raise ValueError("this must be after clip_start_ms")
        return end_ms

    def options(self, references: Sequence[str]) -> Options:
        """What is wanted of the recording; `references` are uploads with voices of known speakers.

        Raises BadInput for fields that do not fit together.
        """
        if references:
            raise BadInput("only transcriptions tell speakers apart", param=REFERENCES)
        return Options(
            language=self.language,
            word_times=self.response_format in BY_WORDS,
            prompt=self.prompt,
            hotwords=hotwords_of(self.hotwords),
            spelling=spellings_of(self.spelling),
            temperature=self.temperature or None,
            voice_activity=self.voice_activity,
            clip_start_ms=self.clip_start_ms,
            clip_end_ms=self.clip_end_ms,
        )


class TranslationForm(AudioForm):
    response_format: TextFormat = "json"

    def options(self, references: Sequence[str]) -> Options:
        return replace(super().options(references), task=Task.TRANSLATE)


class TranscriptionForm(AudioForm):
    response_format: TextFormat | Literal["diarized_json"] = "json"
    """`diarized_json` tells speakers apart, with any model."""
    stream: bool = False
    """Send text as server-sent events while it is recognised; for json, text and diarized_json."""
    languages: list[LanguageCode] = Field(default=[], max_length=100)
    """Languages to expect. One is the same as `language`; of several the model finds out by itself."""
    keywords: list[Term] = Field(default=[], max_length=MOST_TERMS)
    """Words to listen for."""
    timestamp_granularities: list[Literal["word", "segment"]] = Field(default=["segment"])
    """What a verbose_json holds."""
    include: list[Literal["logprobs"]] = Field(default=[])
    """Refused: the log probabilities of single tokens are not known here."""
    chunking_strategy: Annotated[
        Chunking | None, BeforeValidator(_chunking_object), WithJsonSchema({"type": "string"})
    ] = None
    """`auto` or an object. Without effect: recordings are always cut where nobody speaks."""
    known_speaker_names: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=MOST_KNOWN)
    """Of whom a diarized_json may speak, in the order of their samples."""
    speakers: int | None = Field(default=None, ge=1, le=MOST_SPEAKERS)
    """Ours: how many speak in a diarized_json, where that is known."""

    @property
    def diarized(self) -> bool:
        return self.response_format == "diarized_json"

    def options(self, references: Sequence[str]) -> Options:
        self._check_format()
        self._check_speakers(references)
        found = super().options(())
        known = tuple(map(KnownSpeaker, self.known_speaker_names, references))
        return replace(
            found,
            language=self.language or (self.languages[0] if len(self.languages) == 1 else None),
            word_times=found.word_times or "word" in self.timestamp_granularities,
            hotwords=(*found.hotwords, *map(Hotword, self.keywords)),
            diarization=Diarization(self.speakers, known=known) if self.diarized else None,
        )

    def _check_format(self) -> None:
        if self.include:
            raise BadInput(
                "log probabilities of tokens are not known here; verbose_json has the mean of each segment, "
                "GET /v1/transcriptions/{id} the confidence of each word",
                param="include",
            )
        if "timestamp_granularities" in self.model_fields_set and self.response_format != "verbose_json":
            raise BadInput(
                "timestamp_granularities needs response_format=verbose_json", param="timestamp_granularities"
            )
        if self.stream and self.response_format not in STREAMED:
            raise BadInput(f"only {', '.join(STREAMED)} can be streamed", param="response_format")

    def _check_speakers(self, references: Sequence[str]) -> None:
        names = self.known_speaker_names
        if len(names) != len(references):
            raise BadInput(f"each of {NAMES} needs one of {REFERENCES}", param=NAMES)
        if len(set(names)) != len(names):
            raise BadInput("known speakers need different names", param=NAMES)
        for sent, name in ((names, NAMES), (self.speakers, "speakers")):
            if sent and not self.diarized:
                raise BadInput("only response_format=diarized_json tells speakers apart", param=name)
