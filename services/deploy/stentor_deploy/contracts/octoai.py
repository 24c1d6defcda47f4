"""The contract of OctoAI's endpoints: each deployed model is one, at `/endpoints/{name}`.

`predict` answers with what the model says; `infer` and each further method with that as `output`, beside the
times it took, as endpoints of OctoAI's scaffold do. All of them answer now, later, or bit by bit, see
`stentor_common.jobs.deferred`. Clients ask for successes of exactly 200, and send again what was answered
with 429 or 5xx.
"""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import NotFound
from stentor_common.forms import content_kind
from stentor_common.jobs.deferred import Way, promised, streamed, way_of
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import trace_of
from stentor_common.multipart import parts
from stentor_common.octoai_words import render_error
from stentor_common.requests import ReaderDep, public_base
from stentor_common.runtime import Runtime
from stentor_deploy import predictions
from stentor_deploy.api.shown import GatewayDep
from stentor_deploy.contracts.calls import (
    STARTING,
    Call,
    CallDep,
    digest,
    json_of,
    json_payload,
    parsed,
    respond_json,
    value_of,
    values_of,
)
from stentor_deploy.predictions import NewPrediction
from stentor_deploy.running import Payload
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.status import ServingState

PREFIX = "/endpoints"
PREDICT = "predict"
ERROR_STYLES = {PREFIX: render_error, "/v1/requests": render_error, "/v1/responses": render_error}

JSON_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"description": "What the model takes"}}},
    }
}

router = APIRouter(prefix=PREFIX, tags=["OctoAI"])
raw_router = APIRouter(prefix=PREFIX, tags=["OctoAI"])


@router.get("/{name}")
async def describe_endpoint(name: str, request: Request, gateway: GatewayDep, caller: ReaderDep) -> Response:
    """Where this endpoint is documented."""
    await gateway.find(caller, name)
    base = public_base(request)
    return JSONResponse({"docs": f"{base}/docs", "openapi": f"{base}/openapi.json"})


@router.get("/{name}/healthcheck", responses={503: {"description": "It is being built, or does not start"}})
async def check_health(name: str, gateway: GatewayDep, caller: ReaderDep) -> Response:
    """200 once the model can be called, also while it sleeps; 409 when that needs its owner."""
    route = await gateway.find(caller, name)
    called = [target for target in route.targets if target.percent]
    if not called:
        status = 503 if route.state in STARTING else 409
        told = {"status": "SETUP_SERVICE" if status == 503 else "STOPPED", "reason": route.state}
        return JSONResponse(told, status)
    if all(gateway.status(target.revision_id).state is ServingState.unhealthy for target in called):
        return JSONResponse({"status": "STOPPED", "reason": "the model does not start"}, 503)
    return JSONResponse({"status": "RUNNING", "async_enable": True, "healthy": "yes"})


@raw_router.post("/{name}/{method}", openapi_extra=JSON_BODY)
async def call_model(name: str, method: str, call: CallDep) -> Response:
    """Call the model: `predict`, `infer`, or another of its methods, with dashes in place of underscores.

    With `X-OctoAI-Async: 1` the answer is `response_id` and `poll_url`, at once; with
    `Accept: text/event-stream` the parts come as the model gives them.
    """
    payload = await _payload(call)
    asked = Asked(name, payload, method=_method(method), request_id=call.id)
    way = way_of(call.request.headers)
    if way is Way.later:
        return await _later(call, asked, "octoai" if method == PREDICT else "octoai-output")
    if way is Way.stream:
        return await streamed(call.request, values_of(call.gateway.stream(call.caller, asked)))
    started = time.perf_counter()
    predicted = await call.gateway.predict(call.caller, asked)
    told = json_of(predicted.payload)
    if method != PREDICT:
        told = _with_times(told, predicted.seconds, time.perf_counter() - started)
    return respond_json(told, predicted)


async def whole(runtime: Runtime, job: Job) -> Any:
    """What `predict` would have answered."""
    return value_of((await _answered(runtime, job)).payload)


async def whole_with_times(runtime: Runtime, job: Job) -> Any:
    """What `infer` would have answered."""
    answered = await _answered(runtime, job)
    return json.loads(_with_times(json_of(answered.payload), answered.seconds, answered.seconds))


ANSWERS = {"octoai": whole, "octoai-output": whole_with_times}
"""What /v1/responses tells about predictions that were asked for here."""


async def _later(call: Call, asked: Asked, contract: str) -> Response:
    sent = {
        "name": asked.name,
        "method": asked.method,
        "contract": contract,
        "body": digest(call.body),
    }
    new = NewPrediction(
        name=asked.name,
        payload=asked.payload,
        method=asked.method,
        trace=trace_of(call.request, sent),
        contract=contract,
    )
    job, _ = await predictions.create(call.runtime, call.caller, new)
    return promised(call.request, job)


async def _answered(runtime: Runtime, job: Job) -> predictions.Answered:
    found = await predictions.answer_of(runtime, job)
    assert found is not None, "a completed job has an answer"
    return found


def _method(named: str) -> str:
    """The method of the model's class. Raises NotFound for what is none of its business."""
    method = named.replace("-", "_")
    if not method.isidentifier() or method.startswith("_"):
        raise NotFound(f"there is no method {named[:64]!r} here")
    # A package with `service.py` has its `infer` as `predict`.
    return PREDICT if method == "infer" else method


async def _payload(call: Call) -> Payload:
    if content_kind(call.request) == "multipart/form-data":
        return json_payload(await _form(call.request.headers["content-type"], call.body))
    # Read to find out whether it is JSON: the model is given what came.
    await parsed(call.body)
    return Payload(call.body)


async def _form(content_type: str, body: bytes) -> Mapping[str, Any]:
    """The fields of a form; a file as `{"data", "filename", "content_type"}`, in base64."""
    fields: dict[str, Any] = {}

    async def whole_body() -> Any:
        yield body

    async for part in parts(whole_body(), content_type):
        if part.filename is None:
            fields[part.name] = await part.text()
            continue
        content = b"".join([chunk async for chunk in part.chunks()])
        fields[part.name] = {
            "data": base64.b64encode(content).decode(),
            "filename": part.filename,
            "content_type": part.content_type,
        }
    return fields


def _with_times(output: bytes, inference_seconds: float, seconds: float) -> bytes:
    """The answer of the scaffold, around JSON text."""
    times = {
        "inference_time_ms": round(inference_seconds * 1000, 3),
        "performance_time_ms": round(seconds * 1000, 3),
    }
    return b'{"output":' + output + b',"analytics":' + json.dumps(times).encode() + b"}"
