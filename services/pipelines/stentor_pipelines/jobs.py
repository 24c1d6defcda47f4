"""The job of a pipeline: each step's job is made when what it needs is there, and waited for."""

import uuid
from collections.abc import Callable
from typing import Any

from stentor_common.errors import AppError
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.jobs.table import Job
from stentor_common.jobs.until_stopped import until_stopped
from stentor_common.runtime import Runtime
from stentor_common.steps import Errand
from stentor_pipelines.errors import StepFailed
from stentor_pipelines.flow import Flow
from stentor_pipelines.repository import StepRepository


async def run_pipeline(runtime: Runtime, run: JobRun) -> dict[str, Any]:
    """Goes on after the steps that are done, whoever did them. Its result is in the steps."""
    return await until_stopped(run, _done(runtime, run))


async def _done(runtime: Runtime, run: JobRun) -> dict[str, Any]:
    flow = Flow.of(run.request)
    async with runtime.db.reading() as session:
        begun = await StepRepository(session).of(run.id)
    outputs = [step.output for step in begun if step.output is not None]
    for number in range(len(outputs), len(flow.stages)):
        outputs.append(await _step(runtime, run, flow, number, outputs))
    return {"steps": len(outputs)}


async def _step(
    runtime: Runtime, run: JobRun, flow: Flow, number: int, outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    stage = flow.stages[number]
    run.report(Progress(stage.do, number / len(flow.stages)))

    async def begun(child_id: uuid.UUID) -> None:
        async with runtime.begin() as work:
            await StepRepository(work.session).begin(run.id, number, child_id)
            work.announce(run.id)

    errand = Errand(runtime, run, _reporter(run, flow, number))
    asked = {**stage.asked(flow.given(number, outputs)), "request_id": flow.trace.get("request_id", "")}
    try:
        output = await errand.done(stage.service, asked, part=f"step {number}", begun=begun)
    except AppError as error:
        if error.retryable:
            raise
        raise StepFailed(number, stage.do, error) from error
    async with runtime.begin() as work:
        await StepRepository(work.session).complete(run.id, number, output)
        work.announce(run.id)
    return output


def _reporter(run: JobRun, flow: Flow, number: int) -> Callable[[Job], None]:
    """The progress of a step's job as that of the whole."""

    def report(child: Job) -> None:
        fraction = (number + (child.fraction or 0)) / len(flow.stages)
        run.report(Progress(flow.stages[number].do, fraction))

    return report
