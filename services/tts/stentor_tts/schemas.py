"""What goes over the wire for text to speech, in the native contract."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire
from stentor_tts.script import Markup
from stentor_tts.speeches import Wish
from stentor_tts.voice_names import Gender

SLOWEST, FASTEST = 0.25, 4.0


class SpeechOptions(Wire):
    """How a text is to be spoken."""

    markup: Markup = Markup.auto
    """How the text is written; `auto` takes it for SSML where it is a <speak> document."""
    voice: str | None = Field(default=None, max_length=64)
    """One of GET /v1/voices; without it the installation's default."""
    model: str | None = Field(default=None, max_length=200)
    """One of GET /v1/models; without it that of the voice."""
    provider: str | None = Field(default=None, max_length=64)
    """One of GET /v1/providers; without it the voices here."""
    language: str | None = Field(default=None, min_length=2, max_length=35)
    """What the text is written in, as `en` or `en-gb`; without it what the voice was made for."""
    speed: float = Field(default=1.0, ge=SLOWEST, le=FASTEST)
    """Times the voice's own speed."""
    format: str = Field(default="mp3", max_length=16)
    """Kind of file: `mp3`, `wav`, `flac`, `opus`, `aac`, `ogg`, or `pcm` for bare 16-bit samples."""
    sample_rate: int | None = None
    """Samples a second; without it as the voice is made, or the nearest that the format can have."""
    cache: bool = True
    """Whether sound that was made for the same request may be the answer, and this kept for later ones."""

    def wish(self) -> Wish:
        return Wish(
            voice=self.voice,
            model=self.model,
            provider=self.provider,
            language=self.language,
            markup=self.markup,
            speed=self.speed,
            format=self.format,
            sample_rate=self.sample_rate,
            words=False,
            cache=self.cache,
        )


class StreamRequest(SpeechOptions):
    """A text that is spoken while the client listens: exactly one of `text` and `ssml`."""

    text: str | None = None
    ssml: str | None = None
    """The same as `text` with `markup` `ssml`."""

    @model_validator(mode="after")
    def one_text(self) -> Self:
        if (self.text is None) == (self.ssml is None):
            raise ValueError("give exactly one of text and ssml")
        return self

    def wish(self) -> Wish:
        return _as_ssml(super().wish(), self.ssml)

    @property
    def written(self) -> str:
        return self.text if self.text is not None else self.ssml or ""


class JobOptions(SpeechOptions):
    """What a job may bring besides its text."""

    words: bool = False
    """Whether it is told when each word is spoken."""
    webhook_url: str | None = Field(default=None, min_length=1, max_length=2048)
    """Told when it is over, see GET /v1/jobs/{id}/webhooks."""

    def wish(self) -> Wish:
        return replace(super().wish(), words=self.words)


class SpeechRequest(JobOptions):
    """A text to be spoken: exactly one of `text`, `ssml` and `text_upload`."""

    text: str | None = None
    ssml: str | None = None
    """The same as `text` with `markup` `ssml`."""
    text_upload: str | None = Field(default=None, min_length=1, max_length=64)
    """Id of an upload that is a text in UTF-8."""

    @model_validator(mode="after")
    def one_text(self) -> Self:
        if [self.text, self.ssml, self.text_upload].count(None) != 2:
            raise ValueError(
                "give exactly one of text, ssml and text_upload, or send the text as file of a form"
            )
        return self

    def wish(self) -> Wish:
        return _as_ssml(super().wish(), self.ssml)

    @property
    def written(self) -> str | None:
        return self.text if self.text is not None else self.ssml


class SpeechProgress(JobProgress):
    sentence: int | None
    """How many sentences are spoken."""
    sentences: int | None
    """How many there are; null before the text is read."""


class TimedView(Wire):
    text: str
    start_ms: int
    end_ms: int


class SpeechView(Wire):
    id: uuid.UUID
    object: Literal["speech"]
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    """When the sound is deleted."""
    progress: SpeechProgress | None
    """While it waits or runs."""
    error: JobError | None
    """Once it has failed."""
    provider: str
    engine: str
    model: str
    voice: str
    """What speaks."""
    language: str
    speed: float
    format: str
    sample_rate: int
    audio_url: str | None
    """Where the sound is, for whoever knows this address, once it is made."""
    size_bytes: int | None
    duration_ms: int | None
    characters: int | None
    """Of the text, its markup included."""
    cached: bool | None
    """Whether it had been made for an earlier request."""
    sentences: list[TimedView] | None
    """As they are written, with the time in the sound."""
    words: list[TimedView] | None
    """As they are spoken, where they were asked for."""
    webhook_url: str | None


class SpeechList(Wire):
    object: Literal["list"]
    data: list[SpeechView]
    """Newest first; without sentences and words."""
    has_more: bool
    next_after: uuid.UUID | None
    """Give it as `after` for the next page."""


class VoiceView(Wire):
    id: str
    object: Literal["voice"]
    name: str
    """The same as the id, for programs that show it."""
    engine: str
    model: str
    languages: list[str]
    """The one it was made for first."""
    gender: Gender
    sample_rate: int
    """Samples a second as it is made."""
    licence: str
    """Under which its model may be used."""
    aliases: list[str]
    available: bool
    reason: str
    """Why it is not available, and what to do."""
    sample_url: str
    """Where it can be heard."""


class VoiceList(Wire):
    object: Literal["list"]
    data: list[VoiceView]


class VoiceNames(Wire):
    voices: list[VoiceView]


def _as_ssml(wish: Wish, ssml: str | None) -> Wish:
    return wish if ssml is None else replace(wish, markup=Markup.ssml)
