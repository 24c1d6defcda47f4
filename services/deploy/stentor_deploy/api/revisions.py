"""Routes for the revisions of a deployment."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from stentor_common.requests import RuntimeDep
from stentor_deploy import revisions
from stentor_deploy.api.shown import (
    FilesDep,
    GatewayDep,
    IntakeDep,
    KnownDep,
    OwnerDep,
    RoutesDep,
    ShownDep,
    named,
)
from stentor_deploy.intake import revision_body
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.schemas import RevisionDetail, RevisionList, RevisionView
from stentor_deploy.views import revision_detail

router = APIRouter(prefix="/v1", tags=["deployments"])
file_router = APIRouter(prefix="/v1", tags=["deployments"])


@file_router.post(
    "/deployments/{name}/revisions",
    status_code=202,
    response_model=RevisionView,
    openapi_extra=revision_body(),
)
async def add_revision(  # noqa: PLR0913  each is given by the framework
    name: str,
    request: Request,
    runtime: RuntimeDep,
    caller: OwnerDep,
    intake: IntakeDep,
    shown: ShownDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Another package for a deployment, given like the first one. Once it is ready it gets all calls, unless
    `promote` is false; those under way at the one before end there. With `Prefer: wait=30` it waits so many
    seconds for the end of the build."""
    new, trace = await intake.revision(request, caller)
    try:
        deployment, revision, is_new = await revisions.add(runtime, caller, name, new, trace)
    except BaseException:
        await intake.discard(new)
        raise
    headers = {"Location": f"{shown.base}/v1/deployments/{deployment.name}/revisions/{revision.number}"}
    if not is_new:
        await intake.discard(new)
        headers["Idempotency-Replayed"] = "true"
    view = shown.revision(*await shown.waited(deployment, revision, prefer, headers))
    return JSONResponse(view.model_dump(mode="json"), 202, headers)


@router.get("/deployments/{name}/revisions")
async def list_revisions(name: str, runtime: RuntimeDep, caller: KnownDep, shown: ShownDep) -> RevisionList:
    """All of them, oldest first."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        found = await RevisionRepository(session).of(deployment.id)
    return RevisionList(object="list", data=[shown.revision(deployment, each) for each in found])


@router.get("/deployments/{name}/revisions/{revision}")
async def read_revision(
    name: str,
    revision: str,
    runtime: RuntimeDep,
    caller: KnownDep,
    gateway: GatewayDep,
    routes: RoutesDep,
) -> RevisionDetail:
    """One, by number or id, with the states it went through."""
    deployment, found = await named(runtime, caller, name, revision)
    await routes.know([found])
    async with runtime.db.reading() as session:
        events = await RevisionRepository(session).events(found.id)
    return revision_detail(deployment, found, gateway, events)


@router.post("/deployments/{name}/revisions/{revision}/retry")
async def build_again(
    name: str, revision: str, runtime: RuntimeDep, caller: OwnerDep, shown: ShownDep
) -> RevisionView:
    """Build again what failed, was stopped, or waits for secrets. 409 for any other."""
    await revisions.build_again(runtime, caller, name, revision)
    return shown.revision(*await named(runtime, caller, name, revision))


@router.post("/deployments/{name}/revisions/{revision}/cancel")
async def cancel_build(
    name: str, revision: str, runtime: RuntimeDep, caller: OwnerDep, shown: ShownDep
) -> RevisionView:
    """Stop its build. 409 when there is none under way."""
    await revisions.stop(runtime, caller, name, revision)
    return shown.revision(*await named(runtime, caller, name, revision))


@router.delete("/deployments/{name}/revisions/{revision}", status_code=204, response_class=Response)
async def delete_revision(  # noqa: PLR0913  each is given by the framework
    name: str,
    revision: str,
    runtime: RuntimeDep,
    caller: OwnerDep,
    files: FilesDep,
    gateway: GatewayDep,
    routes: RoutesDep,
) -> None:
    """Delete one that gets no calls."""
    await revisions.delete(runtime, files, caller, name, revision)
    await routes.refresh(gateway.drop)
