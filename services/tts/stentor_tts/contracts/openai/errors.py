"""Errors of the OpenAI speech contract: the usual body, with the codes and fields that its clients know."""

from dataclasses import replace

from fastapi.responses import Response

from stentor_common import openai_words
from stentor_common.errors import BadInput
from stentor_common.problems import Problem, envelope

FIELDS = {"text": "input", "format": "response_format"}
"""Our names of fields, and theirs."""

PARAMS = {"unspeakable": "input", "invalid_ssml": "input", "cannot_say": "input"}
"""Which field is to blame, by code."""


LASTING = frozenset({"model_not_found", "model_too_large", "no_such_speaker"})
"""What stays wrong until an operator mends it: clients would send their text again, twice."""


class InputTooLong(BadInput):
    """In OpenAI's own words, by which programs know that they must cut their text."""

    code = "string_above_max_length"

    def __init__(self, length: int, most: int) -> None:
        super().__init__(
            f"Invalid 'input': string too long. Expected a string with maximum length {most}, "
            f"but got a string with length {length} instead.",
            param="input",
        )


class InputEmpty(BadInput):
    code = "string_below_min_length"

    def __init__(self) -> None:
        super().__init__(
            "Invalid 'input': string too short. Expected a string with minimum length 1, "
            "but got an empty string instead.",
            param="input",
        )


def in_openai_words(problem: Problem) -> Problem:
    again = {"x-should-retry": "false"} if problem.code in LASTING else {}
    param = FIELDS.get(problem.param or "", problem.param)
    named = replace(problem, param=param, headers={**problem.headers, **again})
    return openai_words.in_openai_words(named, PARAMS)


def render_error(problem: Problem) -> Response:
    return envelope(in_openai_words(problem))
