"""Errors in the words of AI/ML API."""

from datetime import UTC, datetime

from fastapi.responses import JSONResponse, Response

from stentor_common.problems import Problem

BEGINNINGS = {
    400: "Body validation error!",
    401: "This request requires a valid API key.",
    404: "Not Found.",
    429: "Too Many Requests.",
}
"""How the original's messages begin; what is wrong, and what to do, follows."""


def render_error(problem: Problem) -> Response:
    beginning = BEGINNINGS.get(problem.status)
    body = {
        "message": f"{beginning} {problem.message}" if beginning else problem.message,
        "path": problem.path,
        "requestId": problem.request_id,
        "statusCode": problem.status,
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
    }
    return JSONResponse(body, problem.status, dict(problem.headers))
