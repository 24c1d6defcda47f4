"""Our own words for the end of a job: `{type, timestamp, data}`, as standardwebhooks.com proposes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stentor_common.jobs.schemas import view
from stentor_common.jobs.table import Job
from stentor_common.webhooks import CallbackStyle

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime


def event(noun: str, job: Job, data: Mapping[str, Any]) -> dict[str, Any]:
    """What happened to what, when, and how that looks now: `transcription.completed`, `.failed`,
    `.cancelled`."""
    assert job.finished_at, "told of jobs that are over only"
    return {"type": f"{noun}.{job.state}", "timestamp": job.finished_at.isoformat(), "data": dict(data)}


def link(runtime: "Runtime", path: str) -> str:
    """A path as the receiver can follow it: absolute where the installation knows how it is reached."""
    return runtime.settings.public_url.rstrip("/") + path


async def _any_job(runtime: "Runtime", job: Job) -> Mapping[str, Any]:
    links = {"self": link(runtime, f"/v1/jobs/{job.id}")}
    return event("job", job, {**view(job, None).model_dump(mode="json"), "links": links})


STANDARD_STYLE = CallbackStyle(_any_job)
"""For kinds of jobs whose service has no words of its own."""
