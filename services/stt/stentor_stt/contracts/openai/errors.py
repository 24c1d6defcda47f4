"""Errors of the OpenAI audio contract: the usual body, with the codes and fields that its clients know."""

from dataclasses import replace

from fastapi.responses import Response

from stentor_common.problems import Problem, envelope
from stentor_stt.contracts.openai.form import REFERENCES

CODES = {"invalid_credentials": "invalid_api_key"}
"""Our codes that have another name there."""

PARAMS = {
    "unknown_language": "language",
    "task_not_offered": "model",
    "audio_unreadable": "file",
    "audio_empty": "file",
    "audio_too_long": "file",
    "upload_too_large": "file",
    "clip_outside": "clip_start_ms",
    "speaker_silent": REFERENCES,
}
"""Which field is to blame for what a job failed of; its row does not keep that."""


def in_openai_words(problem: Problem) -> Problem:
    # Clients take 409 for a lock and send the whole recording again, twice; here it will not help.
    again = {"x-should-retry": "false"} if problem.status == 409 else {}
    param = problem.param or PARAMS.get(problem.code)
    return replace(
        problem,
        code=CODES.get(problem.code, problem.code),
        # The field, not the place in its list.
        param=param.partition(".")[0] if param else None,
        headers={**problem.headers, **again},
    )


def render_error(problem: Problem) -> Response:
    return envelope(in_openai_words(problem))
