"""Errors in the words of OctoAI's endpoints."""

from fastapi.responses import Response

from stentor_common.problems import Problem, envelope


def render_error(problem: Problem) -> Response:
    """As everywhere, with the request's id where the client looks for it."""
    answer = envelope(problem)
    answer.headers["X-User-Request-ID"] = problem.request_id
    return answer
