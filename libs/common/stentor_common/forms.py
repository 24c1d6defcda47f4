"""Request bodies of contracts that take JSON, url-encoded forms and multipart alike."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from stentor_common.errors import BadInput, TooLarge
from stentor_common.multipart import FIELD_BYTES, parts

MOST_FIELDS = 10_000
"""A body of more fields than this is made to fill the memory."""

TOO_LARGE = "the request body is larger than {} bytes, the limit here"

M = TypeVar("M", bound=BaseModel)


def content_kind(request: Request) -> str:
    """The media type of the body without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, max_bytes: int, refusal: str = TOO_LARGE) -> bytes:
    """All of a body that is read as a stream. Raises TooLarge, in the words given, `{}` for the number."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(refusal.format(max_bytes))
    return bytes(body)


async def read_fields(request: Request, max_bytes: int | None = None) -> Mapping[str, Any]:
    """The fields of a body that holds no file; a repeated one becomes a list.

    Routes that take long texts say how long a body may be. Raises BadInput, TooLarge.
    """
    kind = content_kind(request)
    if kind == "multipart/form-data":
        return _gathered(await _sent(request, max_bytes))
    if max_bytes is None:
        return _fields_in(await request.body(), kind)
    # A long one takes long enough to keep others waiting.
    return await asyncio.to_thread(_fields_in, await read_body(request, max_bytes), kind)


def _fields_in(body: bytes, kind: str) -> Mapping[str, Any]:
    if kind == "application/json" or body[:1] in (b"{", b"["):
        return _json_object(body)
    try:
        return _gathered(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        raise BadInput("the body is neither a form nor JSON") from None


async def read_large_json(request: Request, max_bytes: int) -> Mapping[str, Any]:
    """The object of a body that may hold a file, written as text. Raises BadInput, TooLarge."""
    body = await read_body(request, max_bytes)
    # Long enough to keep others waiting.
    return await asyncio.to_thread(_json_object, body)


def checked(model: type[M], fields: Mapping[str, Any]) -> M:
    """The fields as a model. Raises RequestValidationError, which is rendered like any other."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Without what was sent: it may be a password.
        wrong = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in wrong]) from None


async def _sent(request: Request, max_bytes: int | None) -> list[tuple[str, str]]:
    """The fields of a multipart body, each of the usual length at most, or all together of `max_bytes`."""
    found: list[tuple[str, str]] = []
    total = 0
    async for part in parts(request.stream(), request.headers["content-type"]):
        text = await part.text(max_bytes or FIELD_BYTES)
        total += len(text)
        if max_bytes and total > max_bytes:
            raise TooLarge(TOO_LARGE.format(max_bytes))
        found.append((part.name, text))
    return found


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadInput("the request body is not valid JSON") from None
    if not isinstance(found, dict):
        raise BadInput("the request body must be a JSON object")
    return found


def _gathered(pairs: list[tuple[str, str]]) -> Mapping[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields:
            fields[name] = value
        elif isinstance(fields[name], list):
            fields[name].append(value)
        else:
            fields[name] = [fields[name], value]
    return fields
