"""The use cases of pipelines: accept one, run it again from a step, find and forget it."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.desk import ask, caller_to_json
from stentor_common.errors import AppError
from stentor_common.jobs.repository import JobRepository, NewJob, idempotency_hash
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_common.webhooks import Callback
from stentor_pipelines.errors import NoSuchStep, StepFailed, StepsNotDone, TooManySteps
from stentor_pipelines.flow import Flow, Stage, stages_of
from stentor_pipelines.repository import StepRepository
from stentor_pipelines.schemas import Do, PipelineOptions, RerunRequest
from stentor_pipelines.settings import PipelineSettings
from stentor_pipelines.tables import PipelineStep

KIND = QUEUE = "pipelines.run"


async def create(
    runtime: Runtime, settings: PipelineSettings, caller: Caller, flow: Flow, trace: RequestTrace
) -> tuple[Job, bool]:
    """Accept a pipeline; returns its job, and False if an earlier request with the same key made it.

    Raises TooManySteps, StepFailed for a step whose options are refused, Throttled, IdempotencyMismatch.
    """
    await _check(runtime, settings, caller, flow)
    return await _submit(runtime, caller, flow, trace, [])


async def rerun(
    runtime: Runtime, settings: PipelineSettings, caller: Caller, job_id: str, asked: RerunRequest
) -> Job:
    """Another pipeline that takes over what comes before a step, and does the rest again.

    Raises NotFound, NoSuchStep, StepsNotDone, and what `create` raises.
    """
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=KIND)
        steps = await StepRepository(session).of(job.id)
    before = Flow.of(job.request)
    first = _number(before, asked.from_step)
    kept = [step for step in steps if step.number < first and step.output is not None]
    if len(kept) < first:
        raise StepsNotDone(first)
    later = stages_of(asked.steps) if asked.steps else before.stages[first:]
    flow = Flow(
        stages=before.stages[:first] + later,
        source=before.source,
        rerun_of=str(job.id),
        first=first,
        webhook_url=asked.webhook_url,
    )
    await _check(runtime, settings, caller, flow)
    made, _ = await _submit(runtime, caller, flow, RequestTrace(), kept)
    return made


async def forget(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Delete a pipeline and the recording that came with it. A running one stops, and so does its step; the
    results of its steps are kept as long as those of any such job."""
    async with runtime.begin() as work:
        jobs = JobRepository(work.session)
        job = await jobs.get(job_id, caller, kind=KIND)
        await jobs.delete(job)
        work.announce(job.id, ended=True)
    if job.result_key:
        await runtime.store.delete(job.result_key)
    if attached := Flow.of(job.request).attached:
        await uploads.delete(runtime, [Upload(id=uuid.UUID(attached))])


def flow_of(wanted: PipelineOptions, source: dict[str, str], upload: Upload | None = None) -> Flow:
    return Flow(
        stages=stages_of(wanted.steps),
        source={"upload_id": str(upload.id)} if upload else source,
        attached=str(upload.id) if upload else None,
        webhook_url=wanted.webhook_url,
    )


async def _check(runtime: Runtime, settings: PipelineSettings, caller: Caller, flow: Flow) -> None:
    """What is wrong with the last step is told now, not after the first ones have run for an hour."""
    if len(flow.stages) > settings.most_steps:
        raise TooManySteps(settings.most_steps)
    for number, stage in enumerate(flow.stages[flow.first :], flow.first):
        asked = stage.asked(flow.sample(number))
        try:
            await ask(runtime, stage.service, "check", caller=caller_to_json(caller), asked=asked)
        except AppError as error:
            raise StepFailed(number, stage.do, error) from None


async def _submit(
    runtime: Runtime, caller: Caller, flow: Flow, trace: RequestTrace, kept: Sequence[PipelineStep]
) -> tuple[Job, bool]:
    new = NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=QUEUE,
        request=flow.to_json(),
        retention=timedelta(hours=runtime.settings.result_retention_hours),
        callback=Callback(flow.webhook_url) if flow.webhook_url else None,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, trace.idempotency_key) if trace.idempotency_key else None,
        fingerprint=trace.fingerprint or None,
    )
    async with runtime.begin() as work:
        job, is_new = await submit(runtime, work, caller, new)
        if is_new:
            StepRepository(work.session).take_over(job.id, kept)
        return job, is_new


def _number(flow: Flow, step: int | Do) -> int:
    """Which of the stages is meant. Raises NoSuchStep."""
    if isinstance(step, int):
        if 0 <= step < len(flow.stages):
            return step
    else:
        wanted = Do.transcribe if step is Do.diarize else step
        found = next((number for number, stage in enumerate(flow.stages) if stage.do is wanted), None)
        if found is not None:
            return found
    raise NoSuchStep(step, _named(flow.stages))


def _named(stages: Sequence[Stage]) -> str:
    return ", ".join(f"{number} ({stage.do})" for number, stage in enumerate(stages))
