"""Routes for what builds and models say, and for the examples of a model."""

import json
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse

from stentor_common.requests import ReaderDep, RuntimeDep
from stentor_common.runtime import Runtime
from stentor_deploy.api.shown import KnownDep, serving
from stentor_deploy.errors import NotReady
from stentor_deploy.logs import LogKind, LogRepository, follow
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.schemas import ExampleList, LineList, LineView
from stentor_deploy.states import UNDER_WAY, RevisionState
from stentor_deploy.tables import Revision, RevisionLog
from stentor_deploy.trials import Trial

STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
AS_ASKED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/plain": {}, "text/event-stream": {}}, "description": "Lines, oldest first"}
}

router = APIRouter(prefix="/v1", tags=["deployments"])


@router.get("/deployments/{name}/logs", response_model=LineList, responses=AS_ASKED)
async def read_logs(  # noqa: PLR0913  one for each option
    name: str,
    request: Request,
    runtime: RuntimeDep,
    caller: KnownDep,
    kind: LogKind | None = None,
    revision: str | None = None,
    tail: Annotated[int, Query(ge=1, le=1000)] = 100,
    follow: bool = False,
) -> Response | LineList:
    """The last lines of a build, or of what the model prints; of the newest revision if none is named, and
    what is said there now if no `kind` is: the build until it is over, then the model.

    As JSON, as text with `Accept: text/plain`, and as they come with `follow=true`: server-sent events until
    the build is over, or you go.
    """
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).owned(name, caller)
        revisions = RevisionRepository(session)
        if revision:
            found = await revisions.named(deployment, revision)
        else:
            found = (await revisions.newest([deployment.id]))[deployment.id]
    kind = kind or (LogKind.run if found.state == RevisionState.ready else LogKind.build)
    if follow:
        events = _events(runtime, found.id, kind, tail)
        return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)
    async with runtime.db.reading() as session:
        lines = await LogRepository(session).tail([found.id], kind, tail)
    if "text/plain" in request.headers.get("accept", ""):
        return PlainTextResponse("".join(f"{each.line}\n" for each in lines))
    return LineList(object="list", data=[_view(each) for each in lines])


@router.get("/deployments/{name}/examples")
async def list_examples(
    name: str, runtime: RuntimeDep, caller: ReaderDep, revision: str | None = None
) -> ExampleList:
    """Inputs that the model was tried with, and its answers: what a call looks like."""
    async with runtime.db.reading() as session:
        deployment = await DeploymentRepository(session).callable(name, caller)
        revisions = RevisionRepository(session)
        if revision:
            found = await revisions.named(deployment, revision)
        else:
            ready = serving(deployment, await revisions.ready([deployment.id]))
            if not ready:
                raise NotReady(f"deployment {deployment.name!r} has no revision yet that gets calls")
            found = max(ready, key=lambda each: deployment.traffic[str(each.number)])
    trial = Trial.model_validate(found.trial) if found.trial else Trial()
    return ExampleList(object="list", data=list(trial.examples))


async def _events(runtime: Runtime, revision_id: uuid.UUID, kind: LogKind, tail: int) -> AsyncIterator[str]:
    over = partial(_over, runtime, revision_id, kind)
    async for line in follow(runtime, revision_id, kind, tail, over):
        yield f"id: {line.id}\nevent: line\ndata: {_view(line).model_dump_json()}\n\n"
    async with runtime.db.reading() as session:
        found = await session.get(Revision, revision_id)
    state = str(found.state) if found else "deleted"
    yield f"event: end\ndata: {json.dumps({'status': state})}\n\n"


async def _over(runtime: Runtime, revision_id: uuid.UUID, kind: LogKind) -> bool:
    """Whether no further line will come."""
    async with runtime.db.reading() as session:
        found = await session.get(Revision, revision_id)
    return found is None or (kind is LogKind.build and found.state not in UNDER_WAY)


def _view(line: RevisionLog) -> LineView:
    return LineView(id=line.id, at=line.at, stream=line.stream, request_id=line.request_id, line=line.line)
