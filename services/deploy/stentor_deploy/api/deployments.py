"""Routes for deployments: make, see, change, delete, and say where calls go."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from stentor_common.errors import BadInput
from stentor_common.requests import RuntimeDep
from stentor_deploy import deployments, revisions
from stentor_deploy.api.shown import (
    DeploySettingsDep,
    FilesDep,
    GatewayDep,
    IntakeDep,
    KnownDep,
    OwnerDep,
    RoutesDep,
    ShownDep,
)
from stentor_deploy.intake import form_body
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.schemas import (
    DeploymentList,
    DeploymentView,
    RevisionChoice,
    Scale,
    SecretList,
    SecretView,
    Traffic,
    UseView,
)
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.usage import UsageRepository
from stentor_deploy.views import use_view

router = APIRouter(prefix="/v1", tags=["deployments"])
file_router = APIRouter(prefix="/v1", tags=["deployments"])


@file_router.post("/deployments", status_code=202, response_model=DeploymentView, openapi_extra=form_body())
async def create_deployment(  # noqa: PLR0913  each is given by the framework
    request: Request,
    runtime: RuntimeDep,
    caller: OwnerDep,
    settings: DeploySettingsDep,
    intake: IntakeDep,
    shown: ShownDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Deploy a model: a package as `archive` (tar, tar.gz or zip of a Truss, MLflow or OctoAI folder, or of
    one with `model.py`), a file of weights as `file` with its `framework`, or a repository as `git_url`.

    Answers at once; follow `latest.job_id` at `/v1/jobs/{id}`, or ask for the deployment until its `status`
    is `idle` or `ready`; with `Prefer: wait=30` it waits so many seconds for that. The first call wakes it.
    With an `Idempotency-Key` a request that is sent twice makes one.
    """
    new, trace = await intake.deployment(request, caller)
    try:
        deployment, revision, is_new = await deployments.create(runtime, settings, caller, new, trace)
    except BaseException:
        await intake.discard(new.first)
        raise
    headers = {"Location": f"{shown.base}/v1/deployments/{deployment.name}"}
    if not is_new:
        await intake.discard(new.first)
        headers["Idempotency-Replayed"] = "true"
    deployment, _ = await shown.waited(deployment, revision, prefer, headers)
    view = await shown.deployment(deployment)
    return JSONResponse(view.model_dump(mode="json"), 202, headers)


@router.get("/deployments")
async def list_deployments(
    runtime: RuntimeDep,
    caller: KnownDep,
    shown: ShownDep,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
) -> DeploymentList:
    """Your deployments, newest first."""
    async with runtime.db.reading() as session:
        repository = DeploymentRepository(session)
        last = await repository.owned(after, caller) if after else None
        found = await repository.listed(caller, limit=limit + 1, after=last)
    page, more = found[:limit], len(found) > limit
    return DeploymentList(
        object="list",
        data=await shown.deployments(page),
        has_more=more,
        next_after=page[-1].id if more else None,
    )


@router.get("/deployments/{name}")
async def read_deployment(
    name: str, runtime: RuntimeDep, caller: KnownDep, shown: ShownDep
) -> DeploymentView:
    """A deployment, by its name or id."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
    return await shown.deployment(deployment)


@router.patch("/deployments/{name}")
async def change_deployment(  # noqa: PLR0913  each is given by the framework
    name: str,
    body: Scale,
    runtime: RuntimeDep,
    caller: OwnerDep,
    settings: DeploySettingsDep,
    routes: RoutesDep,
    shown: ShownDep,
) -> DeploymentView:
    """Change what is sent; the rest stays. `null` goes back to what the package or the installation says."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("public", False) is None:
        raise BadInput("public must be true or false", param="public")
    deployment = await deployments.change(runtime, settings, caller, name, changes)
    await routes.refresh()
    return await shown.deployment(deployment)


@router.delete("/deployments/{name}", status_code=204, response_class=Response)
async def delete_deployment(
    name: str,
    runtime: RuntimeDep,
    caller: OwnerDep,
    files: FilesDep,
    gateway: GatewayDep,
    routes: RoutesDep,
) -> None:
    """Delete a deployment with all its revisions, logs and secrets. Its models end."""
    await deployments.delete(runtime, files, caller, name)
    await routes.refresh(gateway.drop)


@router.post("/deployments/{name}/promote")
async def promote(
    name: str, body: RevisionChoice, runtime: RuntimeDep, caller: OwnerDep, routes: RoutesDep, shown: ShownDep
) -> DeploymentView:
    """Give one revision all calls."""
    deployment = await deployments.promote(runtime, caller, name, body.named())
    await routes.refresh()
    return await shown.deployment(deployment)


@router.post("/deployments/{name}/rollback")
async def roll_back(
    name: str, runtime: RuntimeDep, caller: OwnerDep, routes: RoutesDep, shown: ShownDep
) -> DeploymentView:
    """Undo the last change of where calls go."""
    deployment = await deployments.roll_back(runtime, caller, name)
    await routes.refresh()
    return await shown.deployment(deployment)


@router.put("/deployments/{name}/traffic")
async def set_traffic(
    name: str, body: Traffic, runtime: RuntimeDep, caller: OwnerDep, routes: RoutesDep, shown: ShownDep
) -> DeploymentView:
    """Share calls between revisions: `{"traffic": {"1": 90, "2": 10}}`."""
    deployment = await deployments.set_traffic(runtime, caller, name, body.traffic)
    await routes.refresh()
    return await shown.deployment(deployment)


@router.get("/deployments/{name}/secrets")
async def list_secrets(name: str, runtime: RuntimeDep, caller: KnownDep) -> SecretList:
    """Names of the secrets that are set, and of those that a revision asks for in vain."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        found = await SecretRepository(session, runtime.sealer).listed(deployment.id)
        packages = [each.package or {} for each in await RevisionRepository(session).of(deployment.id)]
    names = {each.name for each in found}
    asked = {name for package in packages for name in package.get("secrets", ())}
    return SecretList(
        object="list",
        data=[SecretView(name=each.name, updated_at=each.updated_at) for each in found],
        missing=sorted(asked - names),
    )


@router.put("/deployments/{name}/secrets")
async def set_secrets(
    name: str,
    values: Annotated[dict[str, str | None], Body()],
    runtime: RuntimeDep,
    caller: OwnerDep,
    gateway: GatewayDep,
    routes: RoutesDep,
) -> SecretList:
    """Set secrets by name; `null` deletes one, others stay. Models that run start again with them, and builds
    that waited for them go on."""
    deployment, waiting = await deployments.set_secrets(runtime, caller, name, values)
    for revision in waiting:
        await revisions.build_again(runtime, caller, name, str(revision.number))
    await routes.refresh(gateway.drop)
    return await list_secrets(str(deployment.id), runtime, caller)


@router.get("/deployments/{name}/metrics")
async def read_metrics(
    name: str,
    runtime: RuntimeDep,
    caller: KnownDep,
    gateway: GatewayDep,
    hours: Annotated[int, Query(ge=1, le=24 * 90)] = 24,
) -> UseView:
    """Calls of the last hours by revision, and how each is served now."""
    await gateway.write_use()
    since = runtime.clock.now() - timedelta(hours=hours)
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        found = await RevisionRepository(session).of(deployment.id)
        used = await UsageRepository(session).by_hour([each.id for each in found], since)
    data = [
        use_view(each, [hour for hour in used if hour.revision_id == each.id], gateway.status(each.id))
        for each in found
    ]
    return UseView(object="deployment.metrics", deployment=deployment.name, since=since, data=data)
