"""What goes over the wire for speech to text, in the native contract."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire
from stentor_stt.fields import (
    MOST_SPEAKERS,
    HotwordField,
    Hotwords,
    KnownSpeakers,
    SpellingField,
    Spellings,
    hotwords_of,
    spellings_of,
)
from stentor_stt.options import Diarization, KnownSpeaker, Options, Task
from stentor_stt.transcript import Flag


class Channels(StrEnum):
    mixed = "mixed"
    separate = "separate"
    """Each channel by itself: for telephone calls with one party on each."""


class TranscriptionOptions(Wire):
    """How a recording is to be understood."""

    model: str | None = Field(default=None, max_length=200)
    """One of GET /v1/models; without it the installation's default."""
    provider: str | None = Field(default=None, max_length=64)
    """One of GET /v1/providers; without it the engine here."""
    language: str | None = Field(default=None, min_length=2, max_length=16)
    """What is spoken, as a code such as `en`; without it the model finds out."""
    task: Task = Task.TRANSCRIBE
    """`translate` gives English text whatever was spoken."""
    word_times: bool = True
    """Whether each word gets its times and confidence."""
    prompt: str | None = Field(default=None, max_length=2000)
    """Text in the style and spelling hoped for."""
    temperature: float | None = Field(default=None, ge=0, le=1)
    """0 is the likeliest text; without it 0, and more where a result looks wrong."""
    hotwords: Hotwords = Field(default=[])
    """Names and terms to listen for, or to avoid."""
    spelling: Spellings = Field(default=[])
    """How words are to be written in the transcript."""
    vocabulary: str | None = Field(default=None, max_length=64)
    """Name of one of your vocabularies, whose hot-words and spellings are added."""
    voice_activity: bool = True
    """Whether the model is given speech only; without it silence may come out as invented words."""
    clip_start_ms: int = Field(default=0, ge=0)
    """Only from here on; times in the transcript still count from the recording's start."""
    clip_end_ms: int | None = Field(default=None, gt=0)
    """Only up to here."""
    channels: Channels = Channels.mixed
    diarize: bool = False
    """Whether speakers are told apart."""
    speakers: int | None = Field(default=None, ge=1, le=MOST_SPEAKERS)
    """How many speak, where that is known."""
    min_speakers: int = Field(default=1, ge=1, le=MOST_SPEAKERS)
    max_speakers: int = Field(default=10, ge=1, le=MOST_SPEAKERS)
    known_speakers: KnownSpeakers = Field(default=[])
    """Whose voices are recognised and named; in a form, the list as JSON text."""
    webhook_url: str | None = Field(default=None, min_length=1, max_length=2048)
    """Told when the transcription is over, see GET /v1/jobs/{id}/webhooks."""
    summarize: bool = False
    """Whether the transcript is summarized too, where a summarizer is installed."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        if self.clip_end_ms is not None and self.clip_end_ms <= self.clip_start_ms:
            raise ValueError("clip_end_ms must be after clip_start_ms")
        if self.min_speakers > self.max_speakers:
            raise ValueError("min_speakers must not be above max_speakers")
        return self

    def to_options(self) -> Options:
        return Options(
            language=self.language,
            task=self.task,
            word_times=self.word_times,
            prompt=self.prompt,
            hotwords=hotwords_of(self.hotwords),
            spelling=spellings_of(self.spelling),
            temperature=self.temperature,
            voice_activity=self.voice_activity,
            clip_start_ms=self.clip_start_ms,
            clip_end_ms=self.clip_end_ms,
            split_channels=self.channels is Channels.separate,
            diarization=self._diarization(),
        )

    def _diarization(self) -> Diarization | None:
        known = tuple(KnownSpeaker(each.name, each.upload_id) for each in self.known_speakers)
        if not (self.diarize or self.speakers or known):
            return None
        return Diarization(self.speakers, self.min_speakers, self.max_speakers, known)


class TranscriptionRequest(TranscriptionOptions):
    """A recording that is somewhere already: exactly one of `audio_url` and `upload_id` says where."""

    audio_url: str | None = Field(default=None, min_length=1, max_length=4096)
    """A public http(s) URL of audio or video, or the URL of an upload."""
    upload_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Id of an earlier upload."""

    @model_validator(mode="after")
    def one_source(self) -> Self:
        if (self.audio_url is None) == (self.upload_id is None):
            raise ValueError("give exactly one of audio_url and upload_id, or send the file as multipart")
        return self


class WordView(Wire):
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    speaker: str | None
    """A, B, C… in the order in which they are first heard, or a known name."""
    channel: int | None
    """Counted from 0, where channels were heard separately."""


class SegmentView(Wire):
    start_ms: int
    end_ms: int
    text: str
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    temperature: float
    flags: list[Flag]
    """Why the text may be wrong."""
    speaker: str | None
    channel: int | None


class UtteranceView(Wire):
    """What one speaker says without a long pause."""

    start_ms: int
    end_ms: int
    text: str
    speaker: str | None
    channel: int | None


class TranscriptionView(Wire):
    id: uuid.UUID
    object: Literal["transcription"]
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    """When the transcript is deleted."""
    progress: JobProgress | None
    """While it waits or runs."""
    error: JobError | None
    """Once it has failed."""
    provider: str
    model: str
    engine: str | None
    """What did the work, once it is done."""
    task: Task
    language: str | None
    """What was spoken; null before that is known, and when nobody speaks."""
    language_confidence: float | None
    duration_ms: int | None
    """Length of the recording in milliseconds."""
    confidence: float | None
    """0 to 1."""
    text: str | None
    """The whole transcript; empty when nobody speaks."""
    words: list[WordView] | None
    """Times in milliseconds from the start."""
    segments: list[SegmentView] | None
    utterances: list[UtteranceView] | None
    summary: str | None
    """Where one was asked for."""
    webhook_url: str | None


class TranscriptionList(Wire):
    object: Literal["list"]
    data: list[TranscriptionView]
    """Newest first; without text, words and segments."""
    has_more: bool
    next_after: uuid.UUID | None
    """Give it as `after` for the next page."""


class VocabularyRequest(Wire):
    hotwords: Hotwords = Field(default=[])
    spelling: Spellings = Field(default=[])


class VocabularyView(Wire):
    object: Literal["vocabulary"]
    name: str
    hotwords: list[HotwordField]
    spelling: list[SpellingField]
    created_at: datetime
    modified_at: datetime


class VocabularyList(Wire):
    object: Literal["list"]
    data: list[VocabularyView]


class UploadView(Wire):
    id: uuid.UUID
    object: Literal["upload"]
    url: str
    """Where the file can be read by whoever knows this; usable as `audio_url`."""
    filename: str
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime
    """When the file is deleted."""
