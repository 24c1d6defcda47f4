"""What goes over the wire for pipelines."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from stentor_common.jobs.schemas import JobError, JobProgress
from stentor_common.jobs.table import JobState
from stentor_common.wire import Wire


class Do(StrEnum):
    transcribe = "transcribe"
    diarize = "diarize"
    """Who speaks when; belongs to the transcription before it."""
    summarize = "summarize"
    speak = "speak"


class Step(Wire):
    """One step; beside `do` it takes every option of that capability's own requests."""

    model_config = ConfigDict(extra="allow")

    do: Do

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


USUAL = [Step(do=Do.transcribe), Step(do=Do.summarize)]


def _in_order(steps: list[Step]) -> list[Step]:
    for number, step in enumerate(steps):
        if step.do is Do.transcribe and number:
            raise ValueError("only the first step can be transcribe: it takes the recording")
        if step.do is Do.diarize and (not number or steps[number - 1].do is not Do.transcribe):
            raise ValueError("diarize comes right after transcribe")
        if number and steps[number - 1].do is Do.speak:
            raise ValueError("nothing can come after speak: it makes sound")
    return steps


class PipelineOptions(Wire):
    """What is to be done."""

    steps: list[Step] = Field(default=USUAL, min_length=1)
    """In order: `transcribe`, `diarize`, `summarize`, `speak`; in a form, the list as JSON text."""
    webhook_url: str | None = Field(default=None, min_length=1, max_length=2048)
    """Told when the pipeline is over, see GET /v1/jobs/{id}/webhooks."""

    @field_validator("steps")
    @classmethod
    def in_order(cls, steps: list[Step]) -> list[Step]:
        return _in_order(steps)


class PipelineRequest(PipelineOptions):
    """What it is to be done with: exactly one of `audio_url`, `upload_id` and `text`."""

    audio_url: str | None = Field(default=None, min_length=1, max_length=4096)
    """A public http(s) URL of audio or video, or the URL of an upload."""
    upload_id: str | None = Field(default=None, min_length=1, max_length=64)
    """Id of an earlier upload."""
    text: str | None = Field(default=None, min_length=1)
    """For pipelines that begin with summarize or speak."""

    @model_validator(mode="after")
    def consistent(self) -> Self:
        given = [name for name in ("audio_url", "upload_id", "text") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of audio_url, upload_id and text, or send a file as multipart")
        hears = self.steps[0].do is Do.transcribe
        if hears == (given == ["text"]):
            raise ValueError("a recording needs transcribe as first step, a text one of summarize and speak")
        return self


class RerunRequest(Wire):
    """Which steps are done again."""

    from_step: int | Do = Field(alias="from")
    """The first of them: its number, counted from 0, or what it does."""
    steps: list[Step] | None = None
    """Other steps instead of those from there on."""
    webhook_url: str | None = Field(default=None, min_length=1, max_length=2048)


class StepStatus(StrEnum):
    waiting = "waiting"
    running = "running"
    completed = "completed"
    taken_over = "taken_over"
    """Done in the pipeline that this one runs again."""
    failed = "failed"
    cancelled = "cancelled"


class StepView(Wire):
    do: Do
    status: StepStatus
    job_id: uuid.UUID | None
    """The job that does it."""
    url: str | None
    """Where that job's whole result is, for as long as it is kept."""
    text: str | None
    """The transcript or summary."""
    audio_url: str | None


class PipelineView(Wire):
    id: uuid.UUID
    object: Literal["pipeline"]
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    """When it is forgotten."""
    progress: JobProgress | None
    """While it waits or runs; the stage is what the current step does."""
    error: JobError | None
    """Once it has failed; the message names the step."""
    steps: list[StepView]
    """Those that are done keep their results, also when a later one fails."""
    text: str | None
    """Of the last step that gave one."""
    audio_url: str | None
    rerun_of: uuid.UUID | None
    webhook_url: str | None


class PipelineList(Wire):
    object: Literal["list"]
    data: list[PipelineView]
    """Newest first; without texts."""
    has_more: bool
    next_after: uuid.UUID | None
    """Give it as `after` for the next page."""
