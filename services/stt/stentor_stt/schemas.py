"""What goes over the wire for speech to text, in the native contract."""

import uuid
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire
from stentor_stt.options import Task

Hotword = Annotated[str, Field(min_length=1, max_length=100)]


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
    hotwords: list[Hotword] = Field(default=[], max_length=100)
    """Names and terms to listen for."""


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


class SegmentView(Wire):
    start_ms: int
    end_ms: int
    text: str
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float


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


class TranscriptionList(Wire):
    object: Literal["list"]
    data: list[TranscriptionView]
    """Newest first; without text, words and segments."""
    has_more: bool
    next_after: uuid.UUID | None
    """Give it as `after` for the next page."""


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
