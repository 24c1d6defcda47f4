"""The routes of the Open Inference Protocol, version 2: each deployment is a model, and its revisions are the
versions of it."""

import asyncio
import uuid
from collections import OrderedDict
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, RuntimeDep, resource_of
from stentor_common.runtime import Runtime
from stentor_deploy.api.shown import GatewayDep
from stentor_deploy.contracts.calls import LARGE_BYTES, CallDep, headers_of, schema_of
from stentor_deploy.contracts.openinference import exchange
from stentor_deploy.contracts.openinference.signature import Signature, signature_of
from stentor_deploy.packages import Package
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.routing import Route, Target
from stentor_deploy.running import Payload
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.serving.status import ServingState
from stentor_deploy.serving.traffic import named, not_ready
from stentor_deploy.trials import Trial

PREFIX = "/v2"
EXTENSIONS = ["binary_tensor_data"]
REMEMBERED = 1000
"""Signatures of revisions that are kept in memory."""

LISTED = 1000
"""Most models in a list."""


def render_error(problem: Problem) -> Response:
    return JSONResponse({"error": problem.message}, problem.status, dict(problem.headers))


# Not the whole of /v2, where another contract has its paths too.
ERROR_STYLES = dict.fromkeys((f"/v2/{part}" for part in ("models", "health", "repository")), render_error)

router = APIRouter(prefix=PREFIX, tags=["Open Inference Protocol"])
raw_router = APIRouter(prefix=PREFIX, tags=["Open Inference Protocol"])


class Signatures:
    """What revisions take and give. They never change, and are read once."""

    def __init__(self) -> None:
        self._known: OrderedDict[uuid.UUID, tuple[str, Signature]] = OrderedDict()

    async def of(self, runtime: Runtime, revision_id: uuid.UUID) -> tuple[str, Signature]:
        """With what kind of model it is. Raises NotFound."""
        if revision_id not in self._known:
            async with runtime.db.reading() as session:
                revision = await RevisionRepository(session).get(revision_id)
            package = Package.model_validate(revision.package)
            signature = signature_of(package, Trial.model_validate(revision.trial))
            self._known[revision_id] = (package.framework or str(package.format), signature)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[revision_id]


SignaturesDep = Annotated[Signatures, Depends(resource_of(Signatures))]

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(exchange.InferRequest)},
            "application/octet-stream": {
                "schema": {
                    "type": "string",
                    "format": "binary",
                    "description": f"The JSON, as long as {exchange.JSON_LENGTH} says, and binary tensors",
                }
            },
        },
    }
}
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"description": "It cannot be called"}}


@router.get("")
async def describe_server() -> dict[str, Any]:
    """What this server is, and which extensions of the protocol it has."""
    return {"name": "stentor", "version": "1", "extensions": EXTENSIONS}


@router.get("/health/live")
async def live() -> dict[str, bool]:
    """Whether the server answers."""
    return {"live": True}


@router.get("/health/ready")
async def ready() -> dict[str, bool]:
    """Whether models can be called: each wakes when it is."""
    return {"live": True, "ready": True}


@router.get("/models")
async def list_models(runtime: RuntimeDep, caller: ReaderDep) -> dict[str, list[str]]:
    """Names of your deployments."""
    async with runtime.db.reading() as session:
        found = await DeploymentRepository(session).listed(caller, limit=LISTED, after=None)
    return {"models": [deployment.name for deployment in found]}


@router.post("/repository/index")
async def list_versions(runtime: RuntimeDep, gateway: GatewayDep, caller: ReaderDep) -> list[dict[str, str]]:
    """Your deployments with their revisions that can be called, and whether they can be now."""
    async with runtime.db.reading() as session:
        found = await DeploymentRepository(session).listed(caller, limit=LISTED, after=None)
    index = []
    for deployment in found:
        route = await gateway.find(caller, deployment.name)
        if not route.targets:
            index.append({"name": route.name, "state": "UNAVAILABLE", "reason": route.state})
        index += [_version(gateway, route, target) for target in route.targets]
    return index


@router.get("/models/{name}")
@router.get("/models/{name}/versions/{version}")
async def describe_model(
    runtime: RuntimeDep,
    gateway: GatewayDep,
    caller: ReaderDep,
    signatures: SignaturesDep,
    name: str,
    version: str | None = None,
) -> dict[str, Any]:
    """What a model takes and gives, as its package declares it or its examples show it."""
    route = await gateway.find(caller, name)
    target = _target(route, version)
    told: dict[str, Any] = {
        "name": route.name,
        "versions": [str(each.number) for each in route.targets],
        "platform": "",
        "inputs": [],
        "outputs": [],
    }
    if target is None:
        return told
    platform, signature = await signatures.of(runtime, target.revision_id)
    inputs, outputs = (
        [slot.described() for slot in slots] for slots in (signature.inputs, signature.outputs)
    )
    return {**told, "platform": platform, "inputs": inputs, "outputs": outputs}


@router.get("/models/{name}/ready", responses=NOT_READY)
@router.get("/models/{name}/versions/{version}/ready", responses=NOT_READY)
async def model_ready(
    gateway: GatewayDep, caller: ReaderDep, name: str, version: str | None = None
) -> Response:
    """200 when the model can be called, also while it sleeps."""
    route = await gateway.find(caller, name)
    target = _target(route, version)
    can = target is not None and gateway.status(target.revision_id).state is not ServingState.unhealthy
    told = {"name": route.name, "ready": can}
    # Clients that take any other status than 200 for an error look for its text.
    return JSONResponse(told if can else {**told, "error": not_ready(route)}, 200 if can else 503)


@raw_router.post("/models/{name}/infer", openapi_extra=BODY)
@raw_router.post("/models/{name}/versions/{version}/infer", openapi_extra=BODY)
async def infer(call: CallDep, signatures: SignaturesDep, name: str, version: str | None = None) -> Response:
    """Call a model with tensors, written as JSON or, after it, as bytes.

    A single input is given to the model as nested lists, several as an object of them by name; of an answer
    each key is an output.
    """
    route = await call.gateway.find(call.caller, name)
    target = _target(route, version)
    signature = (await signatures.of(call.runtime, target.revision_id))[1] if target else Signature()
    json_length = call.request.headers.get(exchange.JSON_LENGTH)
    inference, payload = await _aside(len(call.body), _read, call.body, json_length, signature)
    asked = Asked(name, payload, revision=version, request_id=call.id)
    predicted = await call.gateway.predict(call.caller, asked)
    answer = predicted.payload
    told = {
        "model_name": predicted.deployment,
        "model_version": str(predicted.number),
        "id": inference.request.id or call.id,
    }
    written, headers = await _aside(len(answer.body), _written, told, inference.request, answer)
    return Response(written, headers={**headers, **headers_of(predicted)})


def _read(body: bytes, json_length: str | None, signature: Signature) -> tuple[exchange.Inference, Payload]:
    inference = exchange.read(body, json_length)
    return inference, exchange.payload_of(inference.tensors, signature)


def _written(
    told: dict[str, Any], request: exchange.InferRequest, answer: Payload
) -> tuple[bytes, dict[str, str]]:
    return exchange.written(told, request, exchange.outputs_of(answer))


async def _aside(size: int, do: Any, *given: Any) -> Any:
    """In a thread, where it takes long enough to keep others waiting."""
    return do(*given) if size <= LARGE_BYTES else await asyncio.to_thread(do, *given)


def _target(route: Route, version: str | None) -> Target | None:
    """The revision that is meant: without a version the one that most calls go to. Raises NotFound."""
    if version is not None:
        return named(route, version)
    return max(route.targets, key=lambda target: target.percent, default=None)


def _version(gateway: Gateway, route: Route, target: Target) -> dict[str, str]:
    status = gateway.status(target.revision_id)
    told = {"name": route.name, "version": str(target.number)}
    if status.state is ServingState.unhealthy:
        return {**told, "state": "UNAVAILABLE", "reason": status.trouble.message if status.trouble else ""}
    return {**told, "state": "READY", "reason": ""}
