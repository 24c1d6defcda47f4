"""How errors leave the house: one description of what is wrong, rendered in the words of each contract."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from stentor_common.errors import AppError
from stentor_common.wire import Wire

CODES = {
    400: "bad_request",
    401: "invalid_credentials",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    500: "internal",
}

SAYINGS = {
    404: "there is no such path here; see the API reference",
    405: "this path does not take that method; see the API reference",
}


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    code: str
    message: str
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    """What was asked for, and the id of the request: some contracts tell them."""
    request_id: str = ""


class ErrorDetail(Wire):
    message: str
    """What is wrong and what to do."""
    type: str
    """The kind of error, as OpenAI's clients know them."""
    param: str | None
    """The field of the request it is about."""
    code: str
    """Stable word for the situation."""


class ErrorBody(Wire):
    error: ErrorDetail


ErrorStyle = Callable[[Problem], Response]


def envelope(problem: Problem) -> Response:
    """The shape of all `/v1` paths: the one OpenAI's clients read."""
    return JSONResponse(error_body(problem).model_dump(), problem.status, dict(problem.headers))


def error_body(problem: Problem) -> ErrorBody:
    detail = ErrorDetail(
        message=problem.message, type=_type(problem.status), param=problem.param, code=problem.code
    )
    return ErrorBody(error=detail)


def from_app_error(error: AppError) -> Problem:
    return Problem(error.status, error.code, error.message, error.param, error.headers)


def from_http(status: int, detail: str, headers: Mapping[str, str] | None) -> Problem:
    """An error that the framework raised: no such path, wrong method, body too large."""
    message = SAYINGS.get(status) or detail[:1].lower() + detail[1:]
    return Problem(status, CODES.get(status, "error"), message, headers=dict(headers or {}))


def from_validation(error: RequestValidationError) -> Problem:
    """The first thing wrong with a request, said in words; further ones follow when it is mended."""
    first = error.errors()[0]
    where = [str(part) for part in first["loc"][1:]]
    if first["type"] == "json_invalid":
        return Problem(400, "invalid_json", "the request body is not valid JSON")
    param = ".".join(where) or None
    said = str(first["msg"]).removeprefix("Value error, ")
    message = f"{param}: {said[:1].lower()}{said[1:]}" if param else said
    return Problem(400, "invalid_request", message, param)


def _type(status: int) -> str:
    by_status = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    return "server_error" if status >= 500 else by_status.get(status, "invalid_request_error")
