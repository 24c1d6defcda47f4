"""Errors a caller may see: one class per situation, each with its status and a stable code.

    AppError
    ├── BadInput            400  the request says something that cannot be done
    ├── Unauthenticated     401  no credential where one is needed, or a bad one
    ├── Forbidden           403  the credential lacks a scope
    ├── NotFound            404  no such thing, or it is somebody else's
    ├── Conflict            409  the thing is in a state that forbids this
    ├── TooLarge            413  more bytes than the limit
    ├── Throttled           429  too many new jobs; says when to come back
    └── Unavailable         503  a part is missing or resting now; worth another try

Services add their own situations as subclasses. An `AppError` raised while a job runs is final,
unless `retryable` says that the same attempt may succeed later.
"""

from collections.abc import Mapping


class AppError(Exception):
    """Base of everything a caller may be told. The message says what to do and leaks nothing."""

    status = 500
    code = "internal"
    retryable = False

    def __init__(
        self, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = dict(headers or {})


class BadInput(AppError):
    status = 400
    code = "bad_input"


class Unauthenticated(AppError):
    status = 401
    code = "invalid_credentials"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    status = 403
    code = "forbidden"


class NotFound(AppError):
    status = 404
    code = "not_found"


class Conflict(AppError):
    status = 409
    code = "conflict"


class TooLarge(AppError):
    status = 413
    code = "too_large"


class Throttled(AppError):
    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})
        self.retry_after_seconds = retry_after_seconds


class Unavailable(AppError):
    status = 503
    code = "unavailable"
    retryable = True
