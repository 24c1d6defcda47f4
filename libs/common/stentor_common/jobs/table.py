"""The job row that every capability shares, its states and the moves allowed between them."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, String, Table, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime


class JobState(StrEnum):
    queued = "queued"
    running = "running"
    completed = "completed"
    failed = "failed"
    cancelled = "cancelled"
    expired = "expired"


MOVES: dict[JobState, frozenset[JobState]] = {
    # Back to queued: the worker was lost, handed the job back, or a new attempt is due.
    JobState.queued: frozenset({JobState.running, JobState.failed, JobState.cancelled}),
    JobState.running: frozenset({JobState.queued, JobState.completed, JobState.failed, JobState.cancelled}),
    JobState.completed: frozenset({JobState.expired}),
    JobState.failed: frozenset({JobState.expired}),
    JobState.cancelled: frozenset({JobState.expired}),
    JobState.expired: frozenset(),
}

ACTIVE = frozenset({JobState.queued, JobState.running})
"""States in which there is still something to wait for."""

FINISHED = frozenset({JobState.completed, JobState.failed, JobState.cancelled})
"""States with an outcome that has not been forgotten yet."""


def sources(to: JobState) -> list[JobState]:
    """States from which a job may become `to`; every update names them, so no other move can happen."""
    return [state for state, targets in MOVES.items() if to in targets]


class Job(Base):
    __tablename__ = "job"
    __table_args__ = (
        # The sweeper's question (what is due?) and the queue position.
        Index("ix_job_state_send_after", "state", "send_after"),
        # A caller's list, newest first.
        Index("ix_job_owner_id_kind_created_at", "owner_id", "kind", "created_at"),
        Index("ix_job_expires_at", "expires_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    """What is to be done: `<service>.<verb>`."""
    queue: Mapped[str] = mapped_column(String(64))
    """Which workers can do it."""
    state: Mapped[JobState] = mapped_column(String(16))
    owner_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The user it belongs to; without one, whoever knows the id may see it."""
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    request_id: Mapped[str] = mapped_column(String(64))
    """The HTTP request that made it, so that a worker's log lines can be found with the API's."""
    idempotency_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    """Hash of caller and Idempotency-Key: a second request with the same one finds this job."""
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    """Hash of the request that came with the key."""

    attempts: Mapped[int]
    lease_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The run that may write the outcome. A run that lost its lease changes nothing any more."""
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    send_after: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the sweeper sends a message for a queued job (again)."""
    sent: Mapped[bool]
    """Whether the broker has confirmed a message since the job was queued last."""

    stage: Mapped[str | None] = mapped_column(String(32))
    fraction: Mapped[float | None]
    eta_seconds: Mapped[float | None]

    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """A small result; a large one is an object in the store under `result_key`."""
    result_key: Mapped[str | None] = mapped_column(String(200))
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None] = mapped_column(Text)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


assert isinstance(Job.__table__, Table)
JOB = Job.__table__
"""The same as a table, for statements on the path that every job takes."""
