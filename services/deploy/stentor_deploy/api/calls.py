"""Routes that call models: now, bit by bit, or later; and the answers that come later."""

import hashlib
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.forms import content_kind
from stentor_common.jobs.answer import completed
from stentor_common.jobs.cancel import cancel
from stentor_common.jobs.deferred import STREAM_HEADERS, first_part
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.jobs.trace import trace_of
from stentor_common.problems import error_body, from_app_error
from stentor_common.requests import ReaderDep, RuntimeDep, WriterDep, public_base
from stentor_common.runtime import Runtime
from stentor_common.webhooks import Callback
from stentor_deploy import predictions
from stentor_deploy.api.shown import GatewayDep, InputDep
from stentor_deploy.predictions import KIND, NewPrediction, answer_of, as_json
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.schemas import PredictionView
from stentor_deploy.serving.bodies import headers_of, media_type_of, parsed_json
from stentor_deploy.serving.gateway import Asked, Gateway
from stentor_deploy.views import prediction_view

router = APIRouter(prefix="/v1", tags=["predictions"])
raw_router = APIRouter(prefix="/v1", tags=["predictions"])

EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks of a model."""

    payload: Payload
    revision: str | None
    seconds: float | None
    webhook_url: str | None


async def get_call(
    request: Request,
    body: InputDep,
    revision: Annotated[str | None, Query(max_length=64)] = None,
    seconds: Annotated[float | None, Query(gt=0)] = None,
    webhook_url: Annotated[str | None, Query(max_length=2048)] = None,
) -> Call:
    """Raises TooLarge, BadInput."""
    return Call(_payload(body, content_kind(request)), revision, seconds, webhook_url)


CallDep = Annotated[Call, Depends(get_call)]
"""`revision` is a number or id, in place of the one that gets the calls; `seconds` the longest time of the
call; `webhook_url` is told of the answer, which then comes later."""

INPUT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {}, "text/plain": {}, "application/octet-stream": {}},
    }
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "What the model answers",
        "content": {"application/json": {}, EVENT_STREAM: {}, "application/octet-stream": {}},
    },
    202: {"description": "It comes later", "model": PredictionView},
}


@raw_router.post("/deployments/{name}/predict", openapi_extra=INPUT, responses=ANSWERS)
async def predict(  # noqa: PLR0913  each is given by the framework
    name: str,
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    gateway: GatewayDep,
    call: CallDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Call a model. The body is its input: JSON, text, or bytes, as its `Content-Type` says; the answer is
    what it gives.

    With `Accept: text/event-stream` the parts of its answer come as `data:` lines, as it makes them. With
    `Prefer: respond-async`, or `webhook_url`, the answer comes later: 202 with a prediction to ask for. Then
    an `Idempotency-Key` makes one prediction of a request that is sent twice.
    """
    return await _answer(_Asking(request, runtime, caller, gateway), name, "predict", call, prefer)


@raw_router.post("/deployments/{name}/methods/{method}", openapi_extra=INPUT, responses=ANSWERS)
async def call_method(  # noqa: PLR0913  each is given by the framework
    name: str,
    method: str,
    request: Request,
    runtime: RuntimeDep,
    caller: WriterDep,
    gateway: GatewayDep,
    call: CallDep,
    prefer: Annotated[str, Header()] = "",
) -> Response:
    """Call another method of a model than `predict`; its `methods` tell their names."""
    return await _answer(_Asking(request, runtime, caller, gateway), name, method, call, prefer)


@raw_router.post(
    "/deployments/{name}/predictions", status_code=202, response_model=PredictionView, openapi_extra=INPUT
)
async def create_prediction(
    name: str, request: Request, runtime: RuntimeDep, caller: WriterDep, call: CallDep
) -> Response:
    """Ask for a prediction whose answer comes later, and is kept for a day."""
    return await _later(request, runtime, caller, name, "predict", call)


@router.get("/predictions/{prediction_id}")
async def read_prediction(prediction_id: str, runtime: RuntimeDep, caller: ReaderDep) -> PredictionView:
    """State of a prediction and, once it is there, its `output`."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(prediction_id, caller, kind=KIND)
    return await _view(runtime, job)


@router.get(
    "/predictions/{prediction_id}/output",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "application/octet-stream": {}}}},
)
async def read_output(prediction_id: str, runtime: RuntimeDep, caller: ReaderDep) -> Response:
    """The answer as the model gave it, as a call that waits would have got it. 409 while there is none."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(prediction_id, caller, kind=KIND)
    answered = await answer_of(runtime, completed(job))
    assert answered, "completed"
    return _given(answered.payload, answered.number)


@router.post("/predictions/{prediction_id}/cancel")
async def cancel_prediction(prediction_id: str, runtime: RuntimeDep, caller: WriterDep) -> PredictionView:
    """Stop a prediction that waits or runs. 409 when it is over."""
    return await _view(runtime, await cancel(runtime, caller, prediction_id, kind=KIND))


@dataclass(frozen=True, slots=True)
class _Asking:
    request: Request
    runtime: Runtime
    caller: Caller
    gateway: Gateway


async def _answer(asking: _Asking, name: str, method: str, call: Call, prefer: str) -> Response:
    request, caller = asking.request, asking.caller
    if "respond-async" in prefer.lower() or call.webhook_url:
        return await _later(request, asking.runtime, caller, name, method, call)
    asked = Asked(
        name=name,
        payload=call.payload,
        revision=call.revision,
        method=method,
        seconds=call.seconds,
        request_id=request.state.request_id,
    )
    if EVENT_STREAM in request.headers.get("accept", "").lower():
        return await _streamed(request, asking.gateway.stream(caller, asked))
    predicted = await asking.gateway.predict(caller, asked)
    return _given(predicted.payload, predicted.number)


async def _later(
    request: Request, runtime: Runtime, caller: Caller, name: str, method: str, call: Call
) -> Response:
    told = {"name": name, "method": method, "revision": call.revision, "webhook_url": call.webhook_url}
    digest = hashlib.sha256(call.payload.body).hexdigest()
    job, is_new = await predictions.create(
        runtime,
        caller,
        NewPrediction(
            name=name,
            payload=call.payload,
            revision=call.revision,
            method=method,
            seconds=call.seconds,
            callback=Callback(call.webhook_url) if call.webhook_url else None,
            trace=trace_of(request, {**told, "body": digest}),
        ),
    )
    headers = {
        "Location": f"{public_base(request)}/v1/predictions/{job.id}",
        "Preference-Applied": "respond-async",
    }
    if not is_new:
        headers["Idempotency-Replayed"] = "true"
    view = await _view(runtime, job)
    return JSONResponse(view.model_dump(mode="json"), 202, headers)


async def _view(runtime: Runtime, job: Job) -> PredictionView:
    async with runtime.db.reading() as session:
        position = await JobRepository(session).position(job)
    return prediction_view(job, position, await answer_of(runtime, job))


def _given(payload: Payload, number: int) -> Response:
    return Response(payload.body, 200, headers_of(payload, number), media_type_of(payload))


async def _streamed(request: Request, parts: AsyncGenerator[Payload, None]) -> Response:
    """Begins with the first part: what goes wrong until then is told by the status."""
    try:
        first = await first_part(request, parts)
    except BaseException:
        await parts.aclose()
        raise
    return StreamingResponse(_lines(first, parts), media_type=EVENT_STREAM, headers=STREAM_HEADERS)


async def _lines(first: Payload | None, parts: AsyncGenerator[Payload, None]) -> AsyncIterator[str]:
    async with aclosing(parts):
        if first is not None:
            yield _line(first)
        try:
            async for part in parts:
                yield _line(part)
        except AppError as error:
            body = error_body(from_app_error(error)).model_dump()
            yield f"event: error\ndata: {json.dumps(body)}\n\n"
            return
    yield "data: [DONE]\n\n"


def _line(part: Payload) -> str:
    # Plain ASCII: clients may part lines at characters that JSON leaves as they are.
    return f"data: {json.dumps(as_json(part))}\n\n"


def _payload(body: bytes, kind: str) -> Payload:
    """Raises BadInput."""
    if kind in ("", "application/json") or kind.endswith("+json"):
        parsed_json(body)
        return Payload(body)
    if kind.startswith("text/"):
        return Payload(_text(body), PayloadKind.text, kind)
    return Payload(body, PayloadKind.bytes, kind)


def _text(body: bytes) -> bytes:
    try:
        body.decode()
    except UnicodeDecodeError:
        raise BadInput("the text is not UTF-8") from None
    return body
