"""What the routes share: what they ask for, and how deployments and revisions are found and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from stentor_common.auth import Caller
from stentor_common.forms import read_body
from stentor_common.jobs.prefer import wait_preference
from stentor_common.jobs.watch import wait_finished
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base, resource_of, settings_of
from stentor_common.runtime import Runtime
from stentor_deploy.intake import Intake
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.routes_cache import RoutesCache
from stentor_deploy.schemas import DeploymentView, RevisionView
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.tables import Deployment, Revision
from stentor_deploy.views import deployment_view, revision_view

GatewayDep = Annotated[Gateway, Depends(resource_of(Gateway))]
RoutesDep = Annotated[RoutesCache, Depends(resource_of(RoutesCache))]
FilesDep = Annotated[PackageFiles, Depends(resource_of(PackageFiles))]
DeploySettingsDep = Annotated[DeploySettings, Depends(settings_of(DeploySettings))]


async def get_input(request: Request, settings: DeploySettingsDep) -> bytes:
    """The body of a call to a model, whatever it is. Raises TooLarge."""
    refusal = "the input is larger than {} bytes, the limit of this installation"
    return await read_body(request, settings.max_body_bytes, refusal)


async def get_intake(runtime: RuntimeDep, settings: DeploySettingsDep) -> Intake:
    return Intake(runtime, settings)


InputDep = Annotated[bytes, Depends(get_input)]
IntakeDep = Annotated[Intake, Depends(get_intake)]


async def get_owner(caller: WriterDep) -> Caller:
    """Somebody with an account: what runs code must have somebody who answers for it."""
    caller.need_user()
    return caller


async def get_known(caller: ReaderDep) -> Caller:
    caller.need_user()
    return caller


OwnerDep = Annotated[Caller, Depends(get_owner)]
KnownDep = Annotated[Caller, Depends(get_known)]


@dataclass(frozen=True, slots=True)
class Shown:
    """Shows deployments to whoever asks."""

    runtime: Runtime
    gateway: Gateway
    routes: RoutesCache
    base: str

    async def deployment(self, deployment: Deployment) -> DeploymentView:
        return (await self.deployments([deployment]))[0]

    async def deployments(self, found: Sequence[Deployment]) -> list[DeploymentView]:
        async with self.runtime.db.reading() as session:
            revisions = RevisionRepository(session)
            ids = [each.id for each in found]
            latest, ready = await revisions.newest(ids), await revisions.ready(ids)
        await self.routes.know(ready)
        return [
            deployment_view(each, latest[each.id], serving(each, ready), self.gateway, self.base)
            for each in found
            # One that is just being deleted has none any more.
            if each.id in latest
        ]

    async def waited(
        self, deployment: Deployment, revision: Revision, prefer: str, headers: dict[str, str]
    ) -> tuple[Deployment, Revision]:
        """Both as they are at the end of the build, or of the time that the caller likes to wait for it."""
        seconds = wait_preference(prefer)
        if not seconds or revision.job_id is None:
            return deployment, revision
        headers["Preference-Applied"] = f"wait={seconds}"
        await wait_finished(self.runtime, revision.job_id, seconds)
        async with self.runtime.db.reading() as session:
            deployment = await DeploymentRepository(session).find(str(deployment.id))
            revision = await RevisionRepository(session).get(revision.id)
        await self.routes.know([revision])
        return deployment, revision

    def revision(self, deployment: Deployment, revision: Revision) -> RevisionView:
        return revision_view(deployment, revision, self.gateway)


async def get_shown(request: Request, runtime: RuntimeDep, gateway: GatewayDep, routes: RoutesDep) -> Shown:
    return Shown(runtime, gateway, routes, public_base(request))


ShownDep = Annotated[Shown, Depends(get_shown)]


def serving(deployment: Deployment, ready: Sequence[Revision]) -> list[Revision]:
    """Those that get calls."""
    numbers = {number for number, percent in deployment.traffic.items() if percent}
    return [each for each in ready if each.deployment_id == deployment.id and str(each.number) in numbers]


async def named(runtime: Runtime, caller: Caller, name: str, revision: str) -> tuple[Deployment, Revision]:
    """An own deployment and one of its revisions. Raises NotFound."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        return deployment, await RevisionRepository(session).named(deployment, revision)
