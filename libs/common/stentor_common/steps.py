"""A capability as a step of something longer: what each speech and text service answers at its desk.

| question | given besides the caller | answer |
|---|---|---|
| `check` | `asked`: a request of its native contract | `{}`; raises what `create` would raise |
| `create` | the same; `contract`, `request_id` and `idempotency_key` may be in it too | `job_id` |
| `output` | `job_id` of a completed job | `text`, or `audio_path`: where its sound is served |
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from stentor_common.auth import Caller
from stentor_common.desk import ask, caller_to_json
from stentor_common.errors import BadInput
from stentor_common.jobs.answer import abandon, completed
from stentor_common.jobs.run import JobRun, JobStopped, StopReason
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.jobs.watch import follow

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

M = TypeVar("M", bound=BaseModel)

BESIDE = ("contract", "request_id", "idempotency_key")
"""What may be said beside the request itself."""


def requested(model: type[M], asked: Mapping[str, Any]) -> M:
    """The request in a question. Raises BadInput, which names the field."""
    try:
        return model.model_validate({name: asked[name] for name in asked if name not in BESIDE})
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, wrong["loc"]))
        said = wrong["msg"].removeprefix("Value error, ")
        raise BadInput(f"{field}: {said}" if field else said, param=field or None) from None


def trace_in(asked: Mapping[str, Any]) -> RequestTrace:
    key = asked.get("idempotency_key")
    # The key names one step of one job, whose request does not change.
    return RequestTrace(asked.get("request_id") or "", key, key or "")


class Errand:
    """Has a service do a part of a job, and waits for it."""

    def __init__(self, runtime: "Runtime", run: JobRun, report: Callable[[Job], None]) -> None:
        self._runtime = runtime
        self._run = run
        self._report = report
        self._caller = on_behalf_of(run.lease.owner_id)

    async def done(
        self,
        service: str,
        asked: Mapping[str, Any],
        *,
        part: str,
        begun: Callable[[uuid.UUID], Awaitable[None]] | None = None,
    ) -> dict[str, Any]:
        """The output. `part` names it within the job: run again, a job finds what it began. `begun` is told
        its id. Raises what the service refuses it for, JobFailed, NoAnswer, JobStopped."""
        key = f"{self._run.id} {part}"
        made = await self._ask(service, "create", asked={**asked, "idempotency_key": key})
        job_id = uuid.UUID(made["job_id"])
        if begun:
            await begun(job_id)
        job = await self._followed(job_id)
        return await self._ask(service, "output", job_id=str(completed(job).id))

    async def _ask(self, service: str, question: str, **given: Any) -> dict[str, Any]:
        return await ask(self._runtime, service, question, caller=caller_to_json(self._caller), **given)

    async def _followed(self, job_id: uuid.UUID) -> Job:
        job = None
        try:
            async for job in follow(self._runtime, job_id):
                self._report(job)
        except asyncio.CancelledError:
            # One that goes back to its queue comes again for what it has begun.
            if job and self._run.stop_reason is StopReason.taken:
                await abandon(self._runtime, self._caller, job)
            raise
        if job is None:
            raise BadInput(f"job {job_id} was deleted while it was waited for")
        if job.active:
            raise JobStopped
        return job


def on_behalf_of(owner_id: uuid.UUID | None) -> Caller:
    """The owner of a job, for what the job asks for itself."""
    return Caller("", owner_id, on_behalf=True)
