"""One run of a job, as its handler sees it: what to do, where to report, when to stop."""

import threading
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from stentor_common.jobs.leases import Lease


class StopReason(StrEnum):
    taken = "taken"
    """Cancelled, deleted, or given to another worker: the outcome is of no interest any more."""
    shutdown = "shutdown"
    """This process ends; the job goes back to its queue."""


class JobStopped(Exception):
    """Raised inside a handler that was told to stop."""


@dataclass(frozen=True, slots=True)
class Progress:
    stage: str
    fraction: float | None = None
    """Part done, 0 to 1."""
    eta_seconds: float | None = None

    def as_columns(self) -> dict[str, Any]:
        return {"stage": self.stage, "fraction": self.fraction, "eta_seconds": self.eta_seconds}


class JobRun:
    """Safe to use from any thread: handlers report from the thread their model runs in."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self._stop = threading.Event()
        self._progress: Progress | None = None
        self.eta_seconds: float | None = None
        """Seconds left, as last reported."""
        self.stop_reason: StopReason | None = None

    @property
    def id(self) -> uuid.UUID:
        return self.lease.job_id

    @property
    def kind(self) -> str:
        return self.lease.kind

    @property
    def request(self) -> dict[str, Any]:
        return self.lease.request

    def report(self, progress: Progress) -> None:
        """Replace what is known about the progress; it is written at the next heartbeat."""
        self._progress, self.eta_seconds = progress, progress.eta_seconds

    def take_progress(self) -> Progress | None:
        """What was reported since the last call."""
        taken, self._progress = self._progress, None
        return taken

    def stop(self, reason: StopReason) -> None:
        self.stop_reason = self.stop_reason or reason
        self._stop.set()

    @property
    def stopped(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        """Raises JobStopped when the run was told to stop. Called often, between small steps."""
        if self.stopped:
            raise JobStopped
