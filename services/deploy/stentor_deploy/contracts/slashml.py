"""The SlashML contract for model deployment, as its documents print it and its client 0.1.6 speaks it.

Successes are exactly 200, of failed builds too: clients ask again until `status` is READY or FAILED, and
would never end on another status. A model's id is that of a revision: a second model of the same name and
owner becomes the next revision of one deployment, and the first one can still be called by its id.
"""

import json
import re
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from stentor_common import slashml, uploads
from stentor_common.auth import Caller
from stentor_common.errors import BadInput, NotFound
from stentor_common.jobs.trace import RequestTrace
from stentor_common.multipart import parts
from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.uploads import Upload
from stentor_deploy import deployments, names, revisions
from stentor_deploy.api.shown import DeploySettingsDep, GatewayDep, OwnerDep, RoutesDep
from stentor_deploy.deployments import NewDeployment
from stentor_deploy.intake import bounded
from stentor_deploy.predictions import as_json
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.revisions import NewRevision
from stentor_deploy.running import Payload
from stentor_deploy.serving.gateway import Asked
from stentor_deploy.settings import DeploySettings
from stentor_deploy.sources import Source, SourceKind
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision

PREFIX = "/model-deployment/v1"
FILE_FIELDS = ("model_file", "file", "archive")
NAME_FIELDS = ("model_name", "name")
BOUNDARY = re.compile(rb"--([^\r\n]{1,70})\r\n")

STATUS = {
    RevisionState.queued: "QUEUED",
    RevisionState.building: "BUILDING_MODEL",
    RevisionState.needs_secrets: "BUILDING_MODEL",
    RevisionState.loading: "DEPLOYING_MODEL",
    RevisionState.ready: "READY",
}
"""Any other state is FAILED."""

DOCUMENTED = {"READY": "MODEL_READY", "FAILED": "FAILURE"}
"""What one chapter of the documents prints for these; the client's own examples wait for the others."""


def render_error(problem: Problem) -> Response:
    """As of the whole family; what a model fails of, or is not ready for, is a 400."""
    if problem.status in (409, 422):
        problem = replace(problem, status=400)
    return slashml.render_error(problem)


ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["SlashML"])
raw_router = APIRouter(prefix=PREFIX, tags=["SlashML"])


@dataclass(frozen=True, slots=True)
class Sent:
    name: str
    upload: Upload


@raw_router.post("/models")
async def deploy(
    request: Request,
    runtime: RuntimeDep,
    caller: OwnerDep,
    settings: DeploySettingsDep,
    model_name: Annotated[str, Query(max_length=200)] = "",
) -> dict[str, Any]:
    """Deploy a packed folder of Truss: a form with `model_name` and `model_file`, or the file as the body."""
    await runtime.throttle.check_new_job(caller)
    sent = await _sent(request, runtime, caller, settings, model_name)
    new = NewRevision(
        Source(
            kind=SourceKind.archive,
            called=sent.name,
            upload_id=str(sent.upload.id),
            filename=sent.upload.filename,
            size_bytes=sent.upload.size_bytes,
            sha256=sent.upload.sha256,
        )
    )
    trace = RequestTrace(request_id=request.state.request_id)
    try:
        revision = await _made(runtime, settings, caller, new, trace)
    except BaseException:
        await uploads.discard(runtime, sent.upload)
        raise
    return {**_told(revision), "status": "IN_PROGRESS"}


@router.get("/models/{model_id}/status")
async def read_status(
    model_id: str, runtime: RuntimeDep, caller: ReaderDep, routes: RoutesDep, status_style: str = ""
) -> dict[str, Any]:
    """How far it is; with `status_style=docs` in the words MODEL_READY and FAILURE."""
    revision, _ = await _seen(runtime, caller, model_id)
    await routes.know([revision])
    body = _told(revision)
    status = STATUS.get(revision.state, "FAILED")
    body["status"] = DOCUMENTED.get(status, status) if status_style == "docs" else status
    body["model_status"] = DOCUMENTED.get(status, status)
    if status == "FAILED":
        reason = revision.reason or f"the build was {revision.state}"
        body |= {"ERROR": reason, "error": {"message": reason}}
    elif revision.reason:
        body["detail"] = revision.reason
    return body


@raw_router.post("/models/{model_id}/predict")
async def predict(
    model_id: str,
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    settings: DeploySettingsDep,
    gateway: GatewayDep,
) -> Response:
    """Call a model with `model_input`, which is any JSON."""
    revision, deployment = await _seen(runtime, caller, model_id)
    given = _input(await _body(request, settings.max_body_bytes))
    if revision.state != RevisionState.ready:
        return _not_ready(revision)
    predicted = await gateway.predict(
        caller,
        Asked(
            name=str(deployment.id),
            payload=Payload(json.dumps(given).encode()),
            revision=str(revision.id),
            request_id=request.state.request_id,
        ),
    )
    told = {"id": str(revision.id), "model_input": given, "model_response": as_json(predicted.payload)}
    return JSONResponse(told)


async def _sent(
    request: Request, runtime: Runtime, caller: Caller, settings: DeploySettings, name: str
) -> Sent:
    """What came, whatever it is labelled: the client sends its second form with the header of its last call.

    Raises BadInput, TooLarge.
    """
    body = request.stream()
    first = await anext(body, b"")
    found = BOUNDARY.match(first)
    whole = _again(first, body)
    if found is None:
        if not first:
            raise BadInput("send a form with model_name and model_file", param="model_file")
        upload = await uploads.receive(runtime, caller, "model", bounded(whole, settings.max_package_bytes))
        return Sent(name or "model", upload)
    kind = f'multipart/form-data; boundary="{found[1].decode("latin-1")}"'
    sent: Upload | None = None
    try:
        async for part in parts(whole, kind):
            if part.name in FILE_FIELDS and sent is None:
                chunks = bounded(part.chunks(), settings.max_package_bytes)
                sent = await uploads.receive(runtime, caller, part.filename, chunks)
            elif part.name in NAME_FIELDS:
                name = (await part.text()).strip()
        if sent is None:
            raise BadInput("send the packed model as model_file", param="model_file")
    except BaseException:
        await uploads.discard(runtime, sent)
        raise
    return Sent(name or names.of_file(sent.filename), sent)


async def _made(
    runtime: Runtime, settings: DeploySettings, caller: Caller, new: NewRevision, trace: RequestTrace
) -> Revision:
    """A revision of the caller's deployment of that name, which is made if there is none; where the name is
    somebody else's the deployment has another."""
    name = names.slug(new.source.called or "")
    try:
        _, revision, _ = await revisions.add(runtime, caller, name, new, trace)
        return revision
    except NotFound:
        if await deployments.exists(runtime, name):
            name = f"{name[: names.MOST - 9].rstrip('-')}-{uuid.uuid4().hex[:8]}"
    _, revision, _ = await deployments.create(runtime, settings, caller, NewDeployment(name, new), trace)
    return revision


async def _seen(runtime: Runtime, caller: Caller, model_id: str) -> tuple[Revision, Deployment]:
    """An own model, or a public one. Raises NotFound."""
    async with runtime.db.reading() as session:
        revision, deployment = await RevisionRepository(session).with_deployment(model_id)
        await DeploymentRepository(session).callable(str(deployment.id), caller)
    return revision, deployment


def _told(revision: Revision) -> dict[str, Any]:
    return {
        "id": str(revision.id),
        "created": revision.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "name": revision.source["called"],
    }


def _not_ready(revision: Revision) -> Response:
    """In the very words that clients have seen."""
    told = "{'error': ErrorDetail(string='model not ready', code='permission_denied'), 'reasons': [%r]}"
    reason = revision.reason or f"the model is {revision.state}"
    message = "some error occured when requesting job status"
    return JSONResponse({"error": message, "full_message": [told % reason]}, 400)


def _input(body: bytes) -> Any:
    """Raises BadInput."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("the request body is not valid JSON") from None
    if not isinstance(found, dict) or "model_input" not in found:
        raise BadInput(
            "send what the model is to be given as model_input, in a JSON object", param="model_input"
        )
    return found["model_input"]


async def _body(request: Request, most: int) -> bytes:
    return b"".join([chunk async for chunk in bounded(request.stream(), most)])


async def _again(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk
