"""The use cases of deployments: make one, change it, say which revisions get its calls, forget it."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import IntegrityError

from stentor_common.auth import Caller
from stentor_common.errors import BadInput, Conflict, NotFound
from stentor_common.jobs.submit import submit
from stentor_common.jobs.trace import RequestTrace
from stentor_common.runtime import Runtime, Work
from stentor_deploy import names, secrets
from stentor_deploy.errors import NotReady
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.revisions import NewRevision, build_job, forget, insert, made_by
from stentor_deploy.routes_cache import DEPLOYMENTS_CHANGED
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.settings import DeploySettings
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision
from stentor_deploy.tuning import Tuning

ALL = 100
"""Percent."""


class NameTaken(Conflict):
    code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is a deployment {name!r} already; choose another name, or, if it is yours, add a "
            f"revision at POST /v1/deployments/{name}/revisions",
            param="name",
        )


@dataclass(frozen=True, slots=True)
class NewDeployment:
    name: str
    first: NewRevision
    description: str | None = None
    public: bool = False
    tuning: Tuning = field(default_factory=Tuning)


async def create(
    runtime: Runtime, settings: DeploySettings, caller: Caller, new: NewDeployment, trace: RequestTrace
) -> tuple[Deployment, Revision, bool]:
    """Accept a deployment with its first revision; the third is False if an earlier request with the same key
    made it.

    Raises Unauthenticated, NameTaken, BadInput, Throttled, IdempotencyMismatch.
    """
    owner_id = caller.need_user()
    names.checked(new.name)
    secrets.check(new.first.secrets)
    _check(new.tuning, settings)
    if trace.idempotency_key is None and await exists(runtime, new.name):
        # Told before the job is counted; two at the same moment are told apart by the database.
        raise NameTaken(new.name)
    now, revision_id = runtime.clock.now(), uuid.uuid4()
    deployment = Deployment(
        id=uuid.uuid4(),
        name=new.name,
        owner_id=owner_id,
        description=new.description,
        public=new.public,
        traffic={},
        traffic_before={},
        settings=new.tuning.model_dump(mode="json"),
        changed=uuid.uuid4(),
        created_at=now,
        updated_at=now,
    )
    try:
        async with runtime.begin() as work:
            job = build_job(runtime, caller, revision_id, new.first, trace)
            made, is_new = await submit(runtime, work, caller, job)
            if not is_new:
                revision = await made_by(work, made)
                return (
                    await DeploymentRepository(work.session).find(str(revision.deployment_id)),
                    revision,
                    False,
                )
            DeploymentRepository(work.session).add(deployment)
            await work.session.flush()
            revision = await insert(runtime, work, deployment, new.first, (revision_id, made.id))
    except IntegrityError:
        raise NameTaken(new.name) from None
    return deployment, revision, True


async def exists(runtime: Runtime, name: str) -> bool:
    async with runtime.db.reading() as session:
        try:
            await DeploymentRepository(session).find(name)
        except NotFound:
            return False
    return True


async def change(
    runtime: Runtime, settings: DeploySettings, caller: Caller, name: str, changes: Mapping[str, Any]
) -> Deployment:
    """Set `description`, `public`, or fields of Tuning. Raises NotFound, BadInput."""
    async with runtime.begin() as work:
        deployment = await DeploymentRepository(work.session).owned(name, caller, to_change=True)
        own = {key: value for key, value in changes.items() if key in ("description", "public")}
        for key, value in own.items():
            setattr(deployment, key, value)
        others = {key: value for key, value in changes.items() if key not in own}
        tuning = Tuning.of(deployment).model_copy(update=others)
        _check(tuning, settings)
        deployment.settings = tuning.model_dump(mode="json")
        _note(runtime, work, deployment)
    return deployment


async def set_traffic(runtime: Runtime, caller: Caller, name: str, traffic: Mapping[str, int]) -> Deployment:
    """Which revisions (by number or id) get how many percent of the calls. Raises NotFound, NotReady,
    BadInput."""
    if sum(traffic.values()) != ALL or min(traffic.values()) < 0:
        raise BadInput(f"the percents of all revisions together must be {ALL}", param="traffic")
    async with runtime.begin() as work:
        deployment = await DeploymentRepository(work.session).owned(name, caller, to_change=True)
        numbers: dict[str, int] = {}
        for each, percent in traffic.items():
            revision = await RevisionRepository(work.session).named(deployment, each)
            if revision.state != RevisionState.ready:
                raise NotReady(f"revision {revision.number} is {revision.state} and cannot get calls")
            if percent:
                numbers[str(revision.number)] = numbers.get(str(revision.number), 0) + percent
        route_to(deployment, numbers)
        _note(runtime, work, deployment)
    return deployment


async def promote(runtime: Runtime, caller: Caller, name: str, revision: str) -> Deployment:
    """Give one revision all calls. Raises NotFound, NotReady."""
    return await set_traffic(runtime, caller, name, {revision: ALL})


async def roll_back(runtime: Runtime, caller: Caller, name: str) -> Deployment:
    """Undo the last change of where calls go. Raises NotFound, Conflict."""
    async with runtime.begin() as work:
        deployment = await DeploymentRepository(work.session).owned(name, caller, to_change=True)
        there = {str(each.number) for each in await RevisionRepository(work.session).ready([deployment.id])}
        before = deployment.traffic_before
        if not before or not before.keys() <= there:
            raise Conflict(
                f"deployment {deployment.name!r} has nothing to go back to; "
                "say which revision gets the calls at POST …/promote"
            )
        route_to(deployment, before)
        _note(runtime, work, deployment)
    return deployment


def route_to(deployment: Deployment, traffic: Mapping[str, int]) -> None:
    """`traffic` is by the numbers of revisions that are ready."""
    if deployment.traffic != traffic:
        deployment.traffic_before, deployment.traffic = deployment.traffic, dict(traffic)


async def set_secrets(
    runtime: Runtime, caller: Caller, name: str, values: Mapping[str, str | None]
) -> tuple[Deployment, list[Revision]]:
    """Set those with a value and delete those without. The second are revisions that waited for secrets and
    now have them. Raises NotFound, BadInput, SecretKeyMissing."""
    secrets.check(values)
    async with runtime.begin() as work:
        deployment = await DeploymentRepository(work.session).owned(name, caller, to_change=True)
        kept = SecretRepository(work.session, runtime.sealer)
        await kept.put(deployment.id, values, runtime.clock.now())
        deployment.settings = Tuning.of(deployment).with_new_secrets().model_dump(mode="json")
        _note(runtime, work, deployment)
        there = {each.name for each in await kept.listed(deployment.id)}
        revisions = await RevisionRepository(work.session).of(deployment.id)
    waiting = [each for each in revisions if each.state == RevisionState.needs_secrets]
    return deployment, [each for each in waiting if there.issuperset((each.package or {}).get("secrets", ()))]


async def delete(runtime: Runtime, files: PackageFiles, caller: Caller, name: str) -> None:
    """Forget a deployment with all its revisions. Raises NotFound."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        revisions = await RevisionRepository(session).of(deployment.id)
    for revision in revisions:
        await forget(runtime, files, caller, revision)
    async with runtime.begin() as work:
        await DeploymentRepository(work.session).delete(deployment.id)
        work.announce(DEPLOYMENTS_CHANGED)


def _note(runtime: Runtime, work: Work, deployment: Deployment) -> None:
    deployment.changed, deployment.updated_at = uuid.uuid4(), runtime.clock.now()
    work.announce(DEPLOYMENTS_CHANGED)


def _check(tuning: Tuning, settings: DeploySettings) -> None:
    """Raises BadInput."""
    for name in ("min_replicas", "max_replicas"):
        if (getattr(tuning, name) or 0) > settings.max_replicas:
            raise BadInput(f"{name} can be {settings.max_replicas} at most on this installation", param=name)
    if tuning.max_replicas is not None and tuning.max_replicas < (tuning.min_replicas or 0):
        raise BadInput("max_replicas is less than min_replicas", param="max_replicas")
    if (tuning.predict_seconds or 0) > settings.max_predict_seconds:
        raise BadInput(
            f"predict_seconds can be {settings.max_predict_seconds:g} at most on this installation",
            param="predict_seconds",
        )
