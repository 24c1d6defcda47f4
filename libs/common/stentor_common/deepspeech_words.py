"""How errors are told in the contract of the DeepSpeech REST API, which two services speak."""

from typing import Any

from fastapi.responses import JSONResponse, Response

from stentor_common.problems import Problem

NAMES = {
    400: "bad request",
    401: "unauthorized access",
    403: "forbidden",
    404: "not found",
    405: "method not supported",
    413: "payload too large",
    415: "unsupported media type",
    429: "too many requests",
    503: "service unavailable",
}


def told(problem: Problem) -> dict[str, Any]:
    """What both of the original's ways to tell an error have: `message` for its programs, `exception` and
    `error` of its web server, and for 401 those of its token library."""
    body = {
        "message": problem.message,
        "exception": problem.message,
        "status": problem.status,
        "error": NAMES.get(problem.status, "internal server error"),
    }
    if problem.status == 401:
        body |= {"reasons": [problem.message], "exception": "Unauthorized"}
    return body


def render_error(problem: Problem) -> Response:
    return JSONResponse(told(problem), problem.status, dict(problem.headers))
