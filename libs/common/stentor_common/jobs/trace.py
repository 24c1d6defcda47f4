"""What a request that makes a job says about itself rather than about the work."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stentor_common.errors import BadInput

if TYPE_CHECKING:
    from fastapi import Request

KEY_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class RequestTrace:
    request_id: str = ""
    idempotency_key: str | None = None
    fingerprint: str = ""
    """Tells its content from others', for requests that repeat an Idempotency-Key."""


def trace_of(request: "Request", fields: Mapping[str, Any]) -> RequestTrace:
    """The trace of a request; `fields` tell it from others. Raises BadInput."""
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= KEY_CHARACTERS:
        raise BadInput(f"an Idempotency-Key has 1 to {KEY_CHARACTERS} characters")
    told = "\n".join(f"{name}={fields[name]!r}" for name in sorted(fields))
    return RequestTrace(
        request_id=request.state.request_id,
        idempotency_key=key,
        fingerprint=hashlib.sha256(told.encode()).hexdigest(),
    )
