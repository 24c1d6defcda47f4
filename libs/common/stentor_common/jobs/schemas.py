"""What goes over the wire about any job."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import Field

from stentor_common.jobs.table import Job, JobState
from stentor_common.wire import Wire


class JobProgress(Wire):
    stage: str
    """What is being done: `queued`, `starting`, `fetching`, `loading`, `transcribing`."""
    fraction: float | None = Field(ge=0, le=1)
    """Part done."""
    eta_seconds: float | None
    """Estimate of the seconds left."""
    queue_position: int | None
    """Jobs before this one, while it waits."""


class JobError(Wire):
    code: str
    """Stable word for the situation."""
    message: str
    """What happened and what to do."""


class JobView(Wire):
    id: uuid.UUID
    object: str
    kind: str
    """What is done: `stt.transcribe`, …"""
    status: JobState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    """When the result is deleted."""
    attempts: int
    progress: JobProgress | None
    """While the job waits or runs."""
    error: JobError | None
    """Once it has failed."""


def view_fields(job: Job, position: int | None) -> dict[str, Any]:
    """What all kinds of jobs show of themselves."""
    return {
        "id": job.id,
        "status": job.state,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
        "progress": progress_of(job, position),
        "error": error_of(job),
    }


def view(job: Job, position: int | None) -> JobView:
    return JobView(object="job", kind=job.kind, attempts=job.attempts, **view_fields(job, position))


def progress_of(job: Job, position: int | None) -> JobProgress | None:
    if not job.active:
        return None
    stage = "queued" if job.state == JobState.queued else job.stage or "starting"
    return JobProgress(
        stage=stage, fraction=job.fraction, eta_seconds=job.eta_seconds, queue_position=position
    )


def error_of(job: Job) -> JobError | None:
    if job.error_code is None:
        return None
    return JobError(code=job.error_code, message=job.error_message or "")
