"""The contract of Algorithm Cloud: each deployed model is an algorithm, at `/algorithms/{name}`.

What goes in and what comes out is told by the content type alone, in a closed list of spellings: the
published client takes an answer of any other type, even one with a `charset`, for a failure. It looks at no
status; an object with `Error` is what it raises.
"""

import json
import mimetypes
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import BadInput
from stentor_common.fetch import Fetcher
from stentor_common.forms import content_kind
from stentor_common.problems import Problem
from stentor_common.requests import ReaderDep, public_base, resource_of
from stentor_deploy.api.shown import GatewayDep
from stentor_deploy.contracts.algorithmcloud_document import described
from stentor_deploy.contracts.calls import (
    BINARY,
    CallDep,
    headers_of,
    parsed,
    value_of,
)
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.serving.calls import Asked, Predicted
from stentor_deploy.settings import DeploySettings

PREFIX = "/algorithms"
URLS = "text/uri-list"
DOWNLOAD_SECONDS = 60
IMAGES = {"image/jpeg": "image/jpg", "image/jpg": "image/jpg", "image/png": "image/png"}
"""Types of pictures, as the client knows them."""
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


def render_error(problem: Problem) -> Response:
    return JSONResponse({"Error": problem.message}, problem.status, dict(problem.headers))


ERROR_STYLES = {PREFIX: render_error}

router = APIRouter(prefix=PREFIX, tags=["Algorithm Cloud"])
raw_router = APIRouter(prefix=PREFIX, tags=["Algorithm Cloud"])


class Downloads:
    """Gets what a caller names by a URL, see `stentor_common.fetch` for what is refused."""

    def __init__(self, settings: DeploySettings) -> None:
        self._settings = settings
        self._fetcher: Fetcher | None = None

    async def get(self, url: str) -> bytes:
        """What is behind it. Raises UrlRefused, UrlUnreadable, TooLarge."""
        if self._fetcher is None:
            # Made when it is needed first: that takes a moment, and most installations never do.
            self._fetcher = Fetcher(allowed=self._settings.fetch_allowed)
        pieces = self._fetcher.download(
            url, max_bytes=self._settings.max_body_bytes, max_seconds=DOWNLOAD_SECONDS
        )
        return b"".join([piece async for piece in pieces])

    async def close(self) -> None:
        if self._fetcher is not None:
            await self._fetcher.close()


DownloadsDep = Annotated[Downloads, Depends(resource_of(Downloads))]
Seconds = Annotated[
    float | None, Query(alias="timeout", gt=0, description="Longest time to wait for the answer, in seconds")
]

BODY = {
    "requestBody": {
        "required": True,
        "content": {
            BINARY: {"schema": {"type": "string", "format": "binary"}},
            "application/json": {"schema": {}},
            "text/plain": {"schema": {"type": "string"}},
            URLS: {"schema": {"type": "string", "description": "One URL: what is behind it is the input"}},
        },
    }
}


@raw_router.post("/{name}", openapi_extra=BODY)
async def call_algorithm(
    name: str, call: CallDep, downloads: DownloadsDep, seconds: Seconds = None
) -> Response:
    """Call the algorithm with bytes, JSON or text, or with what a URL leads to."""
    # Before anything is downloaded for somebody who may not call it.
    await call.gateway.find(call.caller, name)
    payload = await _payload(content_kind(call.request), call.body, downloads)
    asked = Asked(name, payload, seconds=seconds, request_id=call.id)
    predicted = await call.gateway.predict(call.caller, asked)
    return _answer(predicted)


@router.get("/{name}/openapi.json")
async def describe(name: str, request: Request, gateway: GatewayDep, caller: ReaderDep) -> Response:
    """This algorithm alone as an OpenAPI document, for editors and generators of clients."""
    route = await gateway.find(caller, name)
    return JSONResponse(described(route.name, public_base(request)))


async def _payload(kind: str, body: bytes, downloads: Downloads) -> Payload:
    """What the content type says that the body is. Raises BadInput, and what a download does."""
    if kind == URLS:
        return Payload(await downloads.get(_url_in(body)), PayloadKind.bytes)
    if kind == "application/json":
        # Read to find out whether it is JSON: the model is given what came.
        await parsed(body)
        return Payload(body)
    if kind.startswith("text/"):
        try:
            body.decode()
        except UnicodeDecodeError:
            raise BadInput("the text is not UTF-8; send anything else as application/octet-stream") from None
        return Payload(body, PayloadKind.text)
    if kind in FORMS:
        raise BadInput(
            "send the input itself as the body, not a form: application/octet-stream (with curl "
            "--data-binary @file), application/json, text/plain, or text/uri-list for a URL"
        )
    return Payload(body, PayloadKind.bytes, None if kind in ("", BINARY) else kind)


def _url_in(body: bytes) -> str:
    """The URL of a list of one (RFC 2483): lines that begin with `#` say nothing. Raises BadInput."""
    lines = [line.strip() for line in body.decode(errors="replace").splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    if len(urls) != 1:
        raise BadInput(f"the body must be exactly one URL, and holds {len(urls)}")
    return urls[0]


def _answer(predicted: Predicted) -> Response:
    payload, headers = predicted.payload, headers_of(predicted)
    if payload.kind is PayloadKind.text:
        return _bare(payload.body, "text/plain", headers)
    if payload.kind is PayloadKind.bytes:
        return _file(predicted.deployment, payload, headers)
    if payload.body.lstrip()[:1] in (b"{", b"["):
        return _bare(payload.body, "application/json", headers)
    value = value_of(payload)
    if isinstance(value, str):
        return _bare(value.encode(errors="replace"), "text/plain", headers)
    # The client looks for `Error` in whatever comes, and stumbles over a number.
    return _bare(json.dumps({"result": value}).encode(), "application/json", headers)


def _file(name: str, payload: Payload, headers: Mapping[str, str]) -> Response:
    media_type = payload.media_type or BINARY
    ending = mimetypes.guess_extension(media_type) or ".bin"
    disposition = {"Content-Disposition": f'attachment; filename="{name}{ending}"'}
    return _bare(payload.body, IMAGES.get(media_type, BINARY), {**headers, **disposition})


def _bare(body: bytes, content_type: str, headers: Mapping[str, Any]) -> Response:
    """With this content type to the letter: the framework would add a charset to that of a text."""
    return Response(body, headers={**headers, "Content-Type": content_type})
