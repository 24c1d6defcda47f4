"""Pipelines as callers see them, also in webhooks."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from stentor_common.jobs.schemas import view_fields
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_common.webhooks import STANDARD, CallbackStyle
from stentor_common.webhooks.events import event, link
from stentor_pipelines.flow import PATHS, Flow, Stage
from stentor_pipelines.repository import StepRepository
from stentor_pipelines.schemas import PipelineView, StepStatus, StepView
from stentor_pipelines.tables import PipelineStep

OVER = {
    JobState.completed: StepStatus.completed,
    JobState.failed: StepStatus.failed,
    JobState.cancelled: StepStatus.cancelled,
}


async def pipeline_view(runtime: Runtime, job: Job, position: int | None, base: str) -> PipelineView:
    """With what its steps are at now; links begin with `base`."""
    async with runtime.db.reading() as session:
        steps = StepRepository(session)
        begun = await steps.of(job.id)
        children = await steps.children(begun)
    return _view(job, position, base, begun, children)


def listed_view(job: Job) -> PipelineView:
    """Without what its steps are at."""
    return _view(job, None, "", [], {})


def _view(
    job: Job,
    position: int | None,
    base: str,
    begun: Sequence[PipelineStep],
    children: Mapping[uuid.UUID, Job],
) -> PipelineView:
    flow = Flow.of(job.request)
    by_number = {step.number: step for step in begun}
    steps = []
    for number, stage in enumerate(flow.stages):
        step = by_number.get(number)
        child = children.get(step.child_id) if step else None
        steps.append(_step_view(stage, step, child, base, taken_over=number < flow.first))
    return PipelineView(
        object="pipeline",
        steps=steps,
        text=next((step.text for step in reversed(steps) if step.text is not None), None),
        audio_url=next((step.audio_url for step in reversed(steps) if step.audio_url), None),
        rerun_of=uuid.UUID(flow.rerun_of) if flow.rerun_of else None,
        webhook_url=flow.webhook_url,
        **view_fields(job, position),
    )


def _step_view(
    stage: Stage, step: PipelineStep | None, child: Job | None, base: str, *, taken_over: bool
) -> StepView:
    output = (step.output if step else None) or {}
    path = output.get("audio_path")
    return StepView(
        do=stage.do,
        status=StepStatus.taken_over if taken_over else _status(step, child),
        job_id=step.child_id if step else None,
        url=f"{base}{PATHS[stage.do]}/{step.child_id}" if step else None,
        text=output.get("text"),
        audio_url=f"{base}{path}" if path else None,
    )


def _status(step: PipelineStep | None, child: Job | None) -> StepStatus:
    if step is None:
        return StepStatus.waiting
    if step.output is not None:
        return StepStatus.completed
    return OVER.get(child.state, StepStatus.running) if child else StepStatus.running


async def _told(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    base = link(runtime, "")
    view = await pipeline_view(runtime, job, None, base)
    links = {"self": link(runtime, f"/v1/pipelines/{job.id}")}
    return event("pipeline", job, {**view.model_dump(mode="json"), "links": links})


CALLBACKS = {STANDARD: CallbackStyle(_told)}
