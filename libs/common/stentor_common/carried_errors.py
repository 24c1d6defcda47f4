"""Errors for callers, as they cross from the process that raised them to the one that answers the caller."""

from collections.abc import Mapping
from typing import Any

from stentor_common.errors import AppError


def told(error: AppError) -> dict[str, Any]:
    """All that callers see of it, and whether another try may help."""
    return {
        "code": error.code,
        "status": error.status,
        "retryable": error.retryable,
        "message": error.message,
        "param": error.param,
        "headers": error.headers,
    }


def as_raised(found: Mapping[str, Any], kinds: Mapping[str, type[AppError]]) -> AppError:
    """The same error again; of its own class where `kinds` has that by its code, else a plain AppError."""
    kind = kinds.get(found["code"], AppError)
    error = kind.__new__(kind)
    AppError.__init__(error, found["message"], param=found["param"], headers=found["headers"])
    error.code, error.status, error.retryable = found["code"], found["status"], found["retryable"]
    return error
