"""Errors in the words of OpenAI's contracts: the usual body, with codes and fields that its clients know."""

from collections.abc import Mapping
from dataclasses import replace

from stentor_common.problems import Problem

CODES = {"invalid_credentials": "invalid_api_key"}
"""Our codes that have another name there."""


def in_openai_words(problem: Problem, params: Mapping[str, str]) -> Problem:
    """`params` says which field is to blame for what a job failed of, by code: its row does not keep that."""
    # Clients take 409 for a lock and send everything again, twice; here it will not help.
    again = {"x-should-retry": "false"} if problem.status == 409 else {}
    param = problem.param or params.get(problem.code)
    return replace(
        problem,
        code=CODES.get(problem.code, problem.code),
        # The field, not the place in its list.
        param=param.partition(".")[0] if param else None,
        headers={**problem.headers, **again},
    )
