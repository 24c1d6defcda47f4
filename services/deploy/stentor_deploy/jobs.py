"""The jobs of deployments: builds, and predictions that were asked for later. And what looks after builds."""

import asyncio
import contextlib
import uuid
from datetime import timedelta
from typing import Any

import structlog

from stentor_common.errors import AppError, Conflict, NotFound
from stentor_common.jobs.run import JobRun, JobStopped, StopReason
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.until_stopped import until_stopped
from stentor_common.runtime import Runtime
from stentor_common.steps import on_behalf_of
from stentor_deploy.building import Build, Workshop, note_failure
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.place import Place
from stentor_deploy.predictions import Answered, Prediction, input_of
from stentor_deploy.repository import RevisionRepository
from stentor_deploy.serving.gateway import Asked, Gateway
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Revision

TIDY_SECONDS = 3600

ENVIRONMENTS_KEPT = timedelta(days=7)
"""An environment that no revision needs may be needed by the next one."""


log = structlog.get_logger()


class BuildHandler:
    """Runs jobs of builds."""

    def __init__(self, workshop: Workshop) -> None:
        self._shop = workshop

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        """The job's result: the revision, and its state."""
        revision_id = uuid.UUID(run.request["revision_id"])
        async with runtime.db.reading() as session:
            revision = await RevisionRepository(session).get(revision_id)
        if revision.state == RevisionState.ready:
            return result(revision)
        build = Build(self._shop, runtime, run, revision)
        try:
            revision.state = await until_stopped(run, build.done())
            return result(revision)
        except JobStopped:
            if run.stop_reason is StopReason.taken:
                build.tell("stopped")
                await stopped(runtime, revision_id, run.id)
            raise
        except AppError as error:
            build.tell(error.message)
            if not error.retryable:
                await self._shop.logs.write(runtime)
                await _failed(runtime, revision_id, run.id, error)
            raise
        except Exception:
            build.tell("the build was interrupted by a defect of this service; it is tried again")
            raise
        finally:
            await self._shop.logs.write(runtime)


class PredictHandler:
    """Runs predictions that were asked for later, by the way that all calls take."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        return await until_stopped(run, self._answered(runtime, run))

    async def _answered(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        asked = Prediction(**run.request)
        predicted = await self._gateway.predict(
            on_behalf_of(run.lease.owner_id),
            Asked(
                name=asked.deployment,
                payload=await input_of(runtime, run.request),
                revision=asked.revision,
                method=asked.method,
                seconds=asked.seconds,
                request_id=run.lease.request_id,
            ),
        )
        answered = Answered(
            predicted.payload, predicted.deployment, predicted.revision, predicted.number, predicted.seconds
        )
        return answered.to_json()


def result(revision: Revision) -> dict[str, Any]:
    return {
        "deployment_id": str(revision.deployment_id),
        "revision_id": str(revision.id),
        "revision": revision.number,
        "state": str(revision.state),
    }


async def stopped(runtime: Runtime, revision_id: uuid.UUID, job_id: uuid.UUID | None) -> None:
    """The build was cancelled by its job. One that is in another state by now, or built by another job, is
    left as it is."""
    with contextlib.suppress(Conflict):
        async with runtime.begin() as work:
            revisions = RevisionRepository(work.session)
            now = runtime.clock.now()
            await revisions.move(revision_id, RevisionState.stopped, now, by=job_id, code="cancelled")


async def settle(runtime: Runtime) -> None:
    """Revisions whose job is over, or gone, without having said so: their worker was lost, or they were
    cancelled before one had them."""
    async with runtime.db.reading() as session:
        under_way = await RevisionRepository(session).under_way()
        jobs = {each.id: await session.get(Job, each.job_id) for each in under_way if each.job_id}
    for revision in under_way:
        job = jobs.get(revision.id)
        if job is not None and job.active:
            continue
        if job is not None and job.state == JobState.failed:
            message = job.error_message or "the build failed"
            code = job.error_code or "internal"
            await note_failure(runtime, revision.id, revision.job_id, code=code, message=message)
        else:
            await stopped(runtime, revision.id, revision.job_id)


async def keep_tidy(runtime: Runtime, files: PackageFiles, place: Place) -> None:
    """Until cancelled. Every process does it: each machine has its own files."""
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        try:
            await tidy(runtime, files, place)
        except Exception:
            # Upkeep must outlive any failure; an hour later it may go better.
            log.exception("what models have left was not cleared away")


async def tidy(runtime: Runtime, files: PackageFiles, place: Place) -> None:
    """Delete what no revision needs any more, from this machine and from where models run."""

    async def known() -> set[str]:
        async with runtime.db.reading() as session:
            return {str(each) for each in await RevisionRepository(session).ids()}

    # Before the rows are read: what is made meanwhile has its row already.
    here = await files.known()
    async with runtime.db.reading() as session:
        revisions = RevisionRepository(session)
        needed, kept = await revisions.environments(), await revisions.ids()
    await files.remove(here - kept)
    await place.remove_unused(needed, ENVIRONMENTS_KEPT)
    await place.clear(known)


async def _failed(runtime: Runtime, revision_id: uuid.UUID, job_id: uuid.UUID, error: AppError) -> None:
    with contextlib.suppress(NotFound):
        await note_failure(
            runtime,
            revision_id,
            job_id,
            code=error.code,
            message=error.message,
            details=getattr(error, "details", ""),
        )
