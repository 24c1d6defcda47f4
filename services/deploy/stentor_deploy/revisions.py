"""The use cases of revisions: add one, build it again, stop its build, forget it."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from stentor_common import uploads
from stentor_common.auth import Caller
from stentor_common.errors import Conflict
from stentor_common.jobs.repository import JobRepository, NewJob, idempotency_hash
from stentor_common.jobs.submit import submit
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import RequestTrace
from stentor_common.runtime import Runtime, Work
from stentor_common.uploads import Upload
from stentor_common.webhooks import Callback
from stentor_deploy.logs import LogKind, LogRepository
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.routes_cache import DEPLOYMENTS_CHANGED
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.sources import Source
from stentor_deploy.states import AGAIN, UNDER_WAY, RevisionState
from stentor_deploy.tables import Deployment, Revision

KIND = QUEUE = "deploy.build"


@dataclass(frozen=True, slots=True)
class NewRevision:
    source: Source
    secrets: dict[str, str | None] = field(default_factory=dict, repr=False)
    """Of the deployment, set with it."""
    callback: Callback | None = None
    """Whom to tell of the build's end."""


async def add(
    runtime: Runtime, caller: Caller, name: str, new: NewRevision, trace: RequestTrace
) -> tuple[Deployment, Revision, bool]:
    """Accept a revision; its build begins. The third is False if an earlier request with its key made it.

    Raises NotFound, Throttled, IdempotencyMismatch, BadInput for secrets.
    """
    async with runtime.db.reading() as session:
        # Not after the job is made: what is refused must not have been counted.
        await DeploymentRepository(session).owned(name, caller)
    async with runtime.begin() as work:
        revision_id = uuid.uuid4()
        job, is_new = await submit(runtime, work, caller, build_job(runtime, caller, revision_id, new, trace))
        deployments = DeploymentRepository(work.session)
        deployment = await deployments.owned(name, caller, to_change=True)
        if not is_new:
            return deployment, await made_by(work, job), False
        revision = await insert(runtime, work, deployment, new, (revision_id, job.id))
    return deployment, revision, True


def build_job(
    runtime: Runtime, caller: Caller, revision_id: uuid.UUID, new: NewRevision, trace: RequestTrace
) -> NewJob:
    return NewJob(
        id=uuid.uuid4(),
        kind=KIND,
        queue=QUEUE,
        request={"revision_id": str(revision_id)},
        retention=timedelta(hours=runtime.settings.result_retention_hours),
        callback=new.callback,
        request_id=trace.request_id,
        idempotency_key=idempotency_hash(caller, trace.idempotency_key) if trace.idempotency_key else None,
        fingerprint=trace.fingerprint or None,
    )


async def insert(
    runtime: Runtime,
    work: Work,
    deployment: Deployment,
    new: NewRevision,
    ids: tuple[uuid.UUID, uuid.UUID],
) -> Revision:
    """Write down a revision; `ids` are its own and that of its job."""
    now = runtime.clock.now()
    revisions = RevisionRepository(work.session)
    revision = Revision(
        id=ids[0],
        deployment_id=deployment.id,
        number=await revisions.next_number(deployment.id),
        state=RevisionState.queued,
        job_id=ids[1],
        source=new.source.model_dump(mode="json"),
        created_at=now,
        updated_at=now,
    )
    await revisions.add(revision, now)
    if new.secrets:
        await SecretRepository(work.session, runtime.sealer).put(deployment.id, new.secrets, now)
    await DeploymentRepository(work.session).touch(deployment.id, now)
    work.announce(DEPLOYMENTS_CHANGED)
    return revision


async def made_by(work: Work, job: Job) -> Revision:
    """What a request made that is repeated. Raises Conflict when that is gone."""
    found = await RevisionRepository(work.session).by_job(job.id)
    if found is None:
        raise Conflict("what this Idempotency-Key made is deleted; use a new key to deploy it again")
    return found


async def build_again(runtime: Runtime, caller: Caller, name: str, revision: str) -> None:
    """Begin a build anew that failed, was stopped, or waits for secrets. Raises NotFound, Conflict,
    Throttled."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        found = await RevisionRepository(session).named(deployment, revision)
    if found.state not in AGAIN:
        raise Conflict(f"revision {found.number} is {found.state}: there is nothing to build again")
    new = NewRevision(Source.model_validate(found.source))
    now = runtime.clock.now()
    async with runtime.begin() as work:
        job, _ = await submit(
            runtime, work, caller, build_job(runtime, caller, found.id, new, RequestTrace())
        )
        revisions = RevisionRepository(work.session)
        await revisions.move(found.id, RevisionState.queued, now, job_id=job.id, details=None)
        await LogRepository(work.session).clear(found.id, LogKind.build)
        await DeploymentRepository(work.session).touch(deployment.id, now)


async def stop(runtime: Runtime, caller: Caller, name: str, revision: str) -> None:
    """Stop a build. Raises NotFound, Conflict when there is none under way."""
    async with runtime.begin() as work:
        deployment = await DeploymentRepository(work.session).owned(name, caller, to_change=True)
        found = await RevisionRepository(work.session).named(deployment, revision)
        if found.state not in UNDER_WAY:
            raise Conflict(f"revision {found.number} is {found.state}: there is no build to stop")
        await _stop(runtime, work, caller, found)


async def _stop(runtime: Runtime, work: Work, caller: Caller, revision: Revision) -> None:
    now = runtime.clock.now()
    jobs = JobRepository(work.session)
    if revision.job_id:
        job = await jobs.get(str(revision.job_id), caller)
        if job.active and await jobs.cancel(job, now):
            work.announce(job.id, ended=True)
    await RevisionRepository(work.session).move(revision.id, RevisionState.stopped, now, code="cancelled")
    await DeploymentRepository(work.session).touch(revision.deployment_id, now)
    work.announce(DEPLOYMENTS_CHANGED)


async def delete(runtime: Runtime, files: PackageFiles, caller: Caller, name: str, revision: str) -> None:
    """Forget a revision and its files. Raises NotFound, Conflict for one that gets calls."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        found = await RevisionRepository(session).named(deployment, revision)
    if deployment.traffic.get(str(found.number)):
        raise Conflict(
            f"revision {found.number} gets calls: move them to another one first, or delete the deployment"
        )
    await forget(runtime, files, caller, found)
    async with runtime.begin() as work:
        await RevisionRepository(work.session).delete(found.id)
        await DeploymentRepository(work.session).touch(deployment.id, runtime.clock.now())
        work.announce(DEPLOYMENTS_CHANGED)


async def forget(runtime: Runtime, files: PackageFiles, caller: Caller, revision: Revision) -> None:
    """Stop its build and delete what is kept outside of the database. The row that names it goes last."""
    if revision.state in UNDER_WAY:
        async with runtime.begin() as work:
            await _stop(runtime, work, caller, revision)
    await files.forget(runtime.store, revision.id)
    source = Source.model_validate(revision.source)
    if source.uploads:
        await uploads.delete(runtime, [Upload(id=uuid.UUID(each)) for each in source.uploads])
