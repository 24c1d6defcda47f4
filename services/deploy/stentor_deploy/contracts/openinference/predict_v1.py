"""`POST /v1/models/{name}:predict`, which two contracts have: version 1 of the inference protocol sends
`{"instances": […]}` and reads `{"predictions": […]}`; Truss sends what the model takes and reads what it
gives. The body says which it is."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from stentor_deploy.contracts.calls import (
    CallDep,
    json_of,
    json_payload,
    parsed,
    respond_json,
    value_of,
)
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.calls import Asked

OURS = {"instances", "signature_name", "parameters"}
"""What a request of version 1 may hold."""

JSON_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"description": 'What the model takes, or `{"instances": […]}` with a list of it'}
            }
        },
    }
}

raw_router = APIRouter(tags=["Open Inference Protocol"])


@raw_router.post("/v1/models/{name}:predict", openapi_extra=JSON_BODY)
async def predict(name: str, call: CallDep) -> Response:
    """Call a model; with `{"instances": […]}` the model is given that list, and the answer has its
    `predictions`."""
    sent = await parsed(call.body)
    listed = _instances(sent)
    payload = Payload(call.body) if listed is None else json_payload(listed)
    predicted = await call.gateway.predict(call.caller, Asked(name, payload, request_id=call.id))
    answer = predicted.payload
    told = json_of(answer)
    if listed is not None and not _has_predictions(answer, told):
        told = b'{"predictions":' + told + b"}"
    return respond_json(told, predicted)


def _instances(sent: Any) -> list[Any] | None:
    if isinstance(sent, dict) and isinstance(sent.get("instances"), list) and sent.keys() <= OURS:
        found: list[Any] = sent["instances"]
        return found
    return None


def _has_predictions(answer: Payload, told: bytes) -> bool:
    """Whether the model's own answer has that shape already."""
    if answer.kind is not PayloadKind.json or b'"predictions"' not in told:
        return False
    value = value_of(answer)
    return isinstance(value, dict) and "predictions" in value
