"""The words of Truss and Baseten: a model at `/models/{name}`, called now or later.

The body of a call is what the model takes, and the answer what it gives; a model that gives part after part
is answered in chunks. Baseten's addresses hold the id of the model in the host and what of it is meant in the
path: `https://model-ID.api.baseten.co/production/predict` is `/models/NAME/production/predict` here.
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from stentor_common.auth import Caller
from stentor_common.errors import Conflict
from stentor_common.forms import checked
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.deferred import first_part
from stentor_common.jobs.repository import JobRepository, NoSuchJob
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.trace import trace_of
from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_common.webhooks import Callback, CallbackStyle
from stentor_common.webhooks.repository import WebhookRepository
from stentor_common.webhooks.table import WebhookState
from stentor_deploy import predictions
from stentor_deploy.api.shown import GatewayDep
from stentor_deploy.contracts.calls import (
    BINARY,
    CallDep,
    Chunks,
    digest,
    json_of,
    json_payload,
    parsed,
    parsed_object,
    respond_json,
    schema_of,
    value_of,
)
from stentor_deploy.predictions import NewPrediction, Prediction
from stentor_deploy.routing import Route
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.traffic import named

PREFIX = "/models"
STYLE = "truss"
STATES = {
    JobState.queued: "QUEUED",
    JobState.running: "IN_PROGRESS",
    JobState.completed: "SUCCEEDED",
    JobState.failed: "FAILED",
    JobState.cancelled: "CANCELED",
}
WEBHOOK_STATES = {
    WebhookState.pending: "PENDING",
    WebhookState.delivered: "SUCCEEDED",
    WebhookState.failed: "FAILED",
}


def render_error(problem: Problem) -> Response:
    return JSONResponse({"error": problem.message}, problem.status, dict(problem.headers))


ERROR_STYLES = {f"{PREFIX}/": render_error}

router = APIRouter(prefix=PREFIX, tags=["Truss"])
raw_router = APIRouter(prefix=PREFIX, tags=["Truss"])

LONGEST_WAIT = 72 * 3600
MESSAGES = {
    "priority": "priority is not followed: requests begin in the order in which they came",
    "max_time_in_queue_seconds": "max_time_in_queue_seconds is not followed: requests wait for their turn",
    "inference_retry_config": "inference_retry_config is not followed: what the model raises is final, "
    "and any other failure is tried again",
}


class AsyncPredict(BaseModel):
    """A call whose answer is sent to somebody's server, or read later."""

    model_config = ConfigDict(extra="ignore", use_attribute_docstrings=True)

    model_input: Any
    """What the model takes."""
    webhook_endpoint: str | None = None
    """Where the answer is sent; needs an account."""
    priority: int = Field(default=0, ge=0, le=2)
    max_time_in_queue_seconds: int = Field(default=600, ge=10, le=LONGEST_WAIT)
    inference_retry_config: dict[str, Any] | None = None

    @property
    def warnings(self) -> list[str]:
        """What was asked for and is not done."""
        changed = self.model_dump(exclude_defaults=True, include=set(MESSAGES))
        return [MESSAGES[name] for name in MESSAGES if name in changed]


PREDICT_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"description": "What the model takes"}}},
    }
}
ASYNC_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": schema_of(AsyncPredict)}},
    }
}


@raw_router.post("/{name}/predict", openapi_extra=PREDICT_BODY)
@raw_router.post("/{name}/production/predict", openapi_extra=PREDICT_BODY)
@raw_router.post("/{name}/environments/production/predict", openapi_extra=PREDICT_BODY)
@raw_router.post("/{name}/deployment/{revision}/predict", openapi_extra=PREDICT_BODY)
async def predict(call: CallDep, name: str, revision: str | None = None) -> Response:
    """Call a model. One that gives part after part is answered in chunks, or, with
    `Accept: application/json`, with all of them at once."""
    # Read to find out whether it is JSON: the model is given what came.
    await parsed(call.body)
    asked = Asked(name, Payload(call.body), revision=revision, request_id=call.id)
    route = await call.gateway.find(call.caller, name)
    whole = "application/json" in call.request.headers.get("accept", "")
    if whole or not _streams(route, revision):
        predicted = await call.gateway.predict(call.caller, asked)
        return respond_json(json_of(predicted.payload), predicted)
    chunks = _chunks(call.gateway.stream(call.caller, asked))
    return Chunks(await first_part(call.request, chunks), chunks, media_type=BINARY)


@raw_router.post("/{name}/async_predict", openapi_extra=ASYNC_BODY, status_code=201)
@raw_router.post("/{name}/production/async_predict", openapi_extra=ASYNC_BODY, status_code=201)
@raw_router.post("/{name}/environments/production/async_predict", openapi_extra=ASYNC_BODY, status_code=201)
@raw_router.post("/{name}/deployment/{revision}/async_predict", openapi_extra=ASYNC_BODY, status_code=201)
async def predict_later(call: CallDep, name: str, revision: str | None = None) -> Response:
    """Call a model without waiting: its answer is sent to `webhook_endpoint`, and kept for 24 hours."""
    wanted = checked(AsyncPredict, await parsed_object(call.body))
    endpoint = wanted.webhook_endpoint
    new = NewPrediction(
        name=name,
        payload=json_payload(wanted.model_input),
        revision=revision,
        # Their clients check no signature of ours.
        callback=Callback(endpoint, style=STYLE, signed=False) if endpoint else None,
        trace=trace_of(call.request, {"name": name, "revision": revision, "body": digest(call.body)}),
        contract=STYLE,
    )
    job, _ = await predictions.create(call.runtime, call.caller, new)
    told: dict[str, Any] = {"request_id": str(job.id)}
    return JSONResponse(told | ({"warnings": wanted.warnings} if wanted.warnings else {}), 201)


@router.get("/{name}/async_request/{job_id}")
async def read_request(
    name: str, job_id: str, runtime: RuntimeDep, gateway: GatewayDep, caller: ReaderDep
) -> dict[str, Any]:
    """How far a request is. Its answer is at `/v1/responses/{request_id}`."""
    job = await _job(runtime, caller, await gateway.find(caller, name), job_id)
    async with runtime.db.reading() as session:
        webhook = await WebhookRepository(session).of(job.id)
    return {
        "request_id": str(job.id),
        "model_id": name,
        "deployment_id": await _revision(runtime, job),
        "status": STATES[job.state],
        "webhook_status": WEBHOOK_STATES[webhook.state] if webhook else "NO_WEBHOOK_PROVIDED",
        "created_at": job.created_at.isoformat(),
        "status_at": (job.finished_at or job.started_at or job.created_at).isoformat(),
        "errors": _errors(job),
    }


@router.delete("/{name}/async_request/{job_id}")
async def cancel_request(
    name: str, job_id: str, runtime: RuntimeDep, gateway: GatewayDep, caller: WriterDep
) -> dict[str, Any]:
    """Cancel a request that waits or runs."""
    await _job(runtime, caller, await gateway.find(caller, name), job_id)
    told = {"request_id": job_id, "canceled": True, "message": "the request was cancelled"}
    try:
        await cancel(runtime, caller, job_id, kind=predictions.KIND)
    except Conflict as error:
        return {**told, "canceled": False, "message": error.message}
    return told


async def whole(runtime: Runtime, job: Job) -> Any:
    """What `predict` would have answered."""
    answered = await predictions.answer_of(runtime, job)
    assert answered is not None, "a completed job has an answer"
    return value_of(answered.payload)


async def tell(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    """What a webhook says: the answer itself, or why there is none."""
    assert job.finished_at, "told of jobs that are over only"
    done = job.state == JobState.completed
    return {
        "request_id": str(job.id),
        "model_id": Prediction.of(job).name,
        "deployment_id": await _revision(runtime, job),
        "type": "async_request_completed",
        "time": job.finished_at.isoformat(),
        "data": await whole(runtime, job) if done else None,
        "errors": _errors(job),
    }


ANSWERS = {STYLE: whole}
# An answer of the 400s says that the receiver will not have it.
CALLBACKS = {STYLE: CallbackStyle(tell, stops_at=range(400, 500))}


async def _job(runtime: Runtime, caller: Caller, route: Route, job_id: str) -> Job:
    """A request to this model. Raises NotFound."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=predictions.KIND)
    if Prediction.of(job).deployment != str(route.deployment_id):
        raise NoSuchJob(job_id)
    return job


async def _revision(runtime: Runtime, job: Job) -> str:
    """The id of what answered, or of what was named to answer."""
    answered = await predictions.answer_of(runtime, job)
    return str(answered.revision_id) if answered else Prediction.of(job).revision or ""


def _errors(job: Job) -> list[dict[str, str]]:
    if job.state == JobState.cancelled:
        return [{"code": "cancelled", "message": "the request was cancelled"}]
    return [{"code": job.error_code, "message": job.error_message or ""}] if job.error_code else []


def _streams(route: Route, revision: str | None) -> bool:
    targets = [named(route, revision)] if revision is not None else route.targets
    return any(target.streams for target in targets)


async def _chunks(parts: AsyncGenerator[Payload, None]) -> AsyncGenerator[bytes, None]:
    """Text and bytes as they are; anything else as a line of JSON."""
    async with aclosing(parts):
        async for part in parts:
            value = value_of(part) if part.kind is PayloadKind.json else None
            if part.kind is not PayloadKind.json:
                yield part.body
            else:
                yield value.encode() if isinstance(value, str) else part.body + b"\n"
