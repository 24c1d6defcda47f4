"""What an account may be in the contract of the DeepSpeech REST API, and how that says what is wrong."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import EmailStr, TypeAdapter, ValidationError

from stentor_auth.names import clean_username
from stentor_common.deepspeech_words import render_error as render_usual
from stentor_common.deepspeech_words import told
from stentor_common.errors import BadInput, Unauthenticated
from stentor_common.problems import Problem

RULES: dict[str, dict[str, Any]] = {
    "username": {
        "required": True,
        "type": "string",
        "minlength": 3,
        "maxlength": 127,
        "regex": "visible characters without @",
    },
    "email": {"required": True, "type": "string", "maxlength": 320, "regex": "an email address"},
    "password": {"required": True, "type": "string", "minlength": 8, "maxlength": 255},
}

SAYINGS = {
    "required": "this is needed",
    "type": "this must be text",
    "minlength": "this must have {} characters or more",
    "maxlength": "this must have {} characters or fewer",
    "regex": "this must be {}",
}

TAKEN = {
    "username_taken": "Please use a different username.",
    "email_taken": "Please use a different email address.",
}
SIGN_IN = ("/token", "/api/v1/token")
MISSING = "Missing username or password."
WRONG = ["User not found.", "Password is incorrect."]
"""The original says which; here nobody learns that, so both of its texts are there."""


class Invalid(BadInput):
    """A field breaks one of its rules."""

    def __init__(self, entry: str, rule: str) -> None:
        super().__init__(f"{entry}: {SAYINGS[rule].format(RULES[entry][rule])}", param=entry)
        self.code = rule


class NotJson(BadInput):
    status = 415
    code = "unsupported_media_type"

    def __init__(self) -> None:
        super().__init__("Expected JSON body.")


class MissingCredentials(Unauthenticated):
    code = "missing_credentials"

    def __init__(self) -> None:
        super().__init__(MISSING)


def checked(sent: Mapping[str, Any], *, required: Collection[str]) -> dict[str, str]:
    """The fields of an account among what was sent. Raises Invalid for the first that breaks a rule."""
    wanted = [name for name in RULES if name in required or sent.get(name) is not None]
    return {name: _checked(name, sent.get(name)) for name in wanted}


def render_error(problem: Problem) -> Response:
    headers = dict(problem.headers)
    if problem.code in TAKEN:
        return render_usual(replace(problem, status=400, message=TAKEN[problem.code]))
    if problem.status == 401 and problem.path in SIGN_IN:
        reasons = [MISSING] if problem.code == MissingCredentials.code else WRONG
        return JSONResponse({"reasons": reasons, "exception": "AuthenticationFailed"}, 401, headers)
    if problem.status == NotJson.status:
        error: dict[str, Any] = {"type": problem.code, "message": problem.message, "invalid": []}
        return JSONResponse({**told(problem), "error": error}, problem.status, headers)
    constraint = RULES.get(problem.param or "", {}).get(problem.code)
    if constraint is None:
        return render_usual(problem)
    wrong = {
        "entry_type": "json_data_property",
        "entry": problem.param,
        "rule": problem.code,
        "constraint": constraint,
    }
    error = {"type": "validation_failed", "message": "Validation failed.", "invalid": [wrong]}
    return JSONResponse({**told(problem), "error": error}, problem.status, headers)


def _checked(name: str, value: Any) -> str:
    rules = RULES[name]
    if value is None:
        raise Invalid(name, "required")
    if not isinstance(value, str):
        raise Invalid(name, "type")
    if len(value) < rules.get("minlength", 0):
        raise Invalid(name, "minlength")
    if len(value) > rules["maxlength"]:
        raise Invalid(name, "maxlength")
    return _well_formed(name, value)


def _well_formed(name: str, value: str) -> str:
    try:
        if name == "username":
            return clean_username(value)
        if name == "email":
            return str(_EMAIL.validate_python(value))
    except (ValueError, ValidationError):
        raise Invalid(name, "regex") from None
    return value


_EMAIL = TypeAdapter(EmailStr)
