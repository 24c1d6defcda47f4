"""What all services share of the SlashML contract, as its documents print it and its client 0.1.6 speaks it.

Successes are exactly 200, failures of a job 400 with its id. `status` says IN_PROGRESS from the first moment,
because clients loop only while they read that word; whether the job waits or runs is in `detail_status`.
A job of any service can be asked for at each of them: the documents print one address for all.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from fastapi.responses import JSONResponse, Response

from stentor_common.auth import Caller
from stentor_common.desk import DeskAnswer, ask, caller_of, caller_to_json
from stentor_common.errors import BadInput
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.watch import wait_finished
from stentor_common.problems import Problem

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

LISTED = 100

Body = Callable[["Runtime", Job], Awaitable[dict[str, Any]]]
"""A job in the words of this contract, by the service whose kind it is."""

UNION = (
    *("acoustic_model", "language_model", "audio_duration", "audio_url", "confidence", "dual_channel"),
    *("text", "words"),
)
"""Keys that every job has, null where they say nothing: the documents print one object for all kinds."""


def render_error(problem: Problem) -> Response:
    """Errors of this family; a throttled client also looks for `detail`."""
    body: dict[str, Any] = {"error": {"message": problem.message}}
    if problem.status in (401, 403, 429):
        body["detail"] = problem.message
    else:
        body |= {"status": "ERROR", "ERROR": problem.message}
    # The client reads any 400 as an error of its job, but stumbles over 422 and the like.
    return JSONResponse(body, problem.status, dict(problem.headers))


def provider_of(fields: Mapping[str, Any]) -> str | None:
    """The provider that a request names. Raises BadInput."""
    found = fields.get("service_provider")
    if found is not None and not isinstance(found, str):
        raise BadInput("service_provider must be text", param="service_provider")
    return found or None


def without_result(job: Job, provider: str) -> dict[str, Any]:
    """What is told of a job of any kind, also of one that failed."""
    status = "IN_PROGRESS" if job.active else _outcome(job)
    body: dict[str, Any] = {
        "id": str(job.id),
        "status": status,
        "detail_status": "QUEUED" if job.state == JobState.queued else status,
        "created": job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "service_provider": provider,
        **dict.fromkeys(UNION),
        "transcription_data": {"transcription": None},
    }
    if _failed(job):
        reason = job.error_message or f"the job was {job.state}"
        body |= {"ERROR": reason, "error": {"message": reason}}
    return body


async def read_job(
    runtime: "Runtime", caller: Caller, job_id: str, own: Mapping[str, Body], hold_seconds: float
) -> Response:
    """A job of any kind; of its own kinds the service knows the body. Held for a moment if it is about to
    end; one that failed is answered with 400. Raises NotFound."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller)
    if job.active:
        job = await wait_finished(runtime, job.id, hold_seconds) or job
    if job.kind in own:
        body = await own[job.kind](runtime, job)
    else:
        body = await body_elsewhere(runtime, caller, job)
    return JSONResponse(body, 400 if _failed(job) else 200)


async def body_elsewhere(runtime: "Runtime", caller: Caller, job: Job) -> dict[str, Any]:
    """The job as the service tells it whose kind it is. Raises NoAnswer."""
    service = job.kind.partition(".")[0]
    given = {"caller": caller_to_json(caller), "job_id": str(job.id)}
    body: dict[str, Any] = (await ask(runtime, service, "slashml_job", **given))["body"]
    return body


def desk(own: Mapping[str, Body]) -> dict[str, DeskAnswer]:
    """What a service answers to others about its jobs in this contract."""

    async def slashml_job(runtime: "Runtime", given: Mapping[str, Any]) -> Mapping[str, Any]:
        async with runtime.db.reading() as session:
            job = await JobRepository(session).get(given["job_id"], caller_of(given["caller"]))
        return {"body": await own[job.kind](runtime, job)}

    return {"slashml_job": slashml_job}


def _outcome(job: Job) -> str:
    return "COMPLETED" if job.state == JobState.completed else "ERROR"


def _failed(job: Job) -> bool:
    return job.state in (JobState.failed, JobState.cancelled)
