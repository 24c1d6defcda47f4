"""What the contracts of deployed models share: who calls what, and the bodies of both ways."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from stentor_common.auth import Caller
from stentor_common.errors import BadInput
from stentor_common.requests import RuntimeDep, WriterDep
from stentor_common.runtime import Runtime
from stentor_deploy.api.shown import GatewayDep, InputDep
from stentor_deploy.errors import ModelFailed
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.bodies import REVISION, parsed_json, warnings_of
from stentor_deploy.serving.calls import Predicted
from stentor_deploy.serving.gateway import Gateway

LARGE_BYTES = 256 * 1024
"""Reading a larger body takes long enough to keep others waiting."""

BINARY = "application/octet-stream"
STARTING = frozenset({"queued", "building", "loading"})
"""States of a deployment in which it is only a matter of time until it can be called."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a model as it comes."""

    request: Request
    runtime: Runtime
    gateway: Gateway
    caller: Caller
    body: bytes

    @property
    def id(self) -> str:
        """Of the request."""
        found: str = self.request.state.request_id
        return found


async def get_call(
    request: Request,
    runtime: RuntimeDep,
    gateway: GatewayDep,
    caller: WriterDep,
    # The last, so that nothing is read from somebody who may not call.
    body: InputDep,
) -> Call:
    return Call(request, runtime, gateway, caller, body)


CallDep = Annotated[Call, Depends(get_call)]


async def parsed(body: bytes) -> Any:
    """The value that JSON text holds. Raises BadInput."""
    return parsed_json(body) if len(body) <= LARGE_BYTES else await asyncio.to_thread(parsed_json, body)


async def parsed_object(body: bytes) -> Mapping[str, Any]:
    """The same where it must be an object."""
    found = await parsed(body)
    if not isinstance(found, dict):
        raise BadInput("the request body must be a JSON object")
    return found


def json_payload(value: Any) -> Payload:
    return Payload(json.dumps(value, separators=(",", ":")).encode())


def value_of(payload: Payload) -> Any:
    """An answer as JSON holds it; bytes as `{"data"}`, in base64. Raises ModelFailed."""
    if payload.kind is PayloadKind.json:
        try:
            return json.loads(payload.body)
        except (ValueError, RecursionError):
            raise ModelFailed("the model answers with something that is not JSON") from None
    if payload.kind is PayloadKind.text:
        return payload.body.decode(errors="replace")
    return {"data": base64.b64encode(payload.body).decode()}


def json_of(payload: Payload) -> bytes:
    """The same as JSON text."""
    return payload.body if payload.kind is PayloadKind.json else json.dumps(value_of(payload)).encode()


async def values_of(parts: AsyncGenerator[Payload, None]) -> AsyncGenerator[Any, None]:
    """Each part as JSON holds it. Closed early, it closes what gives them."""
    async with aclosing(parts):
        async for part in parts:
            yield value_of(part)


def respond_json(body: bytes, predicted: Predicted) -> Response:
    """JSON text that answers a call."""
    return Response(body, 200, headers_of(predicted), "application/json")


def headers_of(predicted: Predicted) -> dict[str, str]:
    """What is said beside any answer; and no answer of a model is to be run as if it came from here."""
    headers = {REVISION: str(predicted.number), "x-content-type-options": "nosniff"}
    return headers | warnings_of(predicted.payload)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a body that is read by hand, with those of its parts in their places: an OpenAPI document
    has no room for them beside it."""
    schema = model.model_json_schema()
    parts: dict[str, Any] = schema.pop("$defs", {})

    def placed(found: Any) -> Any:
        if isinstance(found, list):
            return [placed(each) for each in found]
        if not isinstance(found, dict):
            return found
        if "$ref" in found:
            return placed(parts[found["$ref"].rpartition("/")[2]])
        return {key: placed(value) for key, value in found.items()}

    told: dict[str, Any] = placed(schema)
    return told


def digest(body: bytes) -> str:
    """Tells a body from others."""
    return hashlib.sha256(body).hexdigest()


class Chunks(StreamingResponse):
    """A body that comes part after part. Its source is closed however the answer ends."""

    def __init__(self, first: bytes | None, rest: AsyncGenerator[bytes, None], media_type: str) -> None:
        self._rest = rest
        super().__init__(self._all(first), media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._rest):
            await super().__call__(scope, receive, send)

    async def _all(self, first: bytes | None) -> AsyncGenerator[bytes, None]:
        if first is not None:
            yield first
        async for part in self._rest:
            yield part
