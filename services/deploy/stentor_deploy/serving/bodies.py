"""What goes into a model by HTTP, and what is said of its answer beside it: one way for all routes.

Models say part of the latter, so nothing of it is believed.
"""

import re
from typing import Any

from pydantic_core import from_json

from stentor_common.errors import BadInput
from stentor_deploy.running import Payload, PayloadKind

REVISION = "x-stentor-revision"
WARNINGS = "x-model-warnings"
MEDIA_TYPES = {
    PayloadKind.json: "application/json",
    PayloadKind.text: "text/plain; charset=utf-8",
    PayloadKind.bytes: "application/octet-stream",
}
MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[a-z0-9.+-]{1,80}")
WARNING = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,199}")
HARMLESS = {"content-security-policy": "sandbox", "x-content-type-options": "nosniff"}
"""No model can have a browser run something as if it came from here."""


def parsed_json(body: bytes) -> Any:
    """The value that JSON text holds. Raises BadInput."""
    try:
        return from_json(body)
    except ValueError as error:
        raise BadInput(f"the request body is not valid JSON: {error}") from None


def media_type_of(answer: Payload) -> str:
    said = answer.media_type or ""
    if answer.kind is not PayloadKind.json and MEDIA_TYPE.fullmatch(said):
        return said
    return MEDIA_TYPES[answer.kind]


def warnings_of(answer: Payload) -> dict[str, str]:
    """A header with those that one can hold; none without them."""
    told = ", ".join(each for each in answer.warnings if WARNING.fullmatch(each))
    return {WARNINGS: told} if told else {}


def headers_of(answer: Payload, number: int) -> dict[str, str]:
    """All that is said beside the answer of a revision, but its type."""
    harmless = {} if answer.kind is PayloadKind.json else HARMLESS
    return {REVISION: str(number), **harmless, **warnings_of(answer)}
