"""What can go wrong with a deployed model.

BadInput
└── BadPackage        400  the archive is no package that can be served
    └── Unsupported   400  it asks for something that is not done here; names the key
Conflict
└── NotReady          409  the model cannot be called (yet)
AppError
├── BuildFailed       422  its environment cannot be made; names the requirement
├── LoadFailed        422  it was built and does not start
├── ModelFailed       422  its code raised
├── ModelTooSlow      504  no answer within the time allowed
├── AnswerTooLarge    502  its answer is larger than the limit
└── Unavailable       503
    ├── ModelLost     503  its process ended during the call; it is started again
    ├── ModelUnhealthy 503 it does not start, or ends again and again; says why
    └── TooManyWaiting 503 the line before it is full
"""

from stentor_common.errors import AppError, BadInput, Conflict, Unavailable


class BadPackage(BadInput):
    code = "invalid_package"


class Unsupported(BadPackage):
    """Names a key of its configuration."""

    code = "unsupported_config"

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}", param=key)


class BuildFailed(AppError):
    status = 422
    code = "build_failed"


class LoadFailed(AppError):
    """`details` is what its owner may read: the traceback, the end of what it printed."""

    status = 422
    code = "load_failed"

    def __init__(self, message: str, *, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class ModelFailed(AppError):
    """`kind` and the message are those of the exception; `details` is the traceback, for the owner."""

    status = 422
    code = "model_error"

    def __init__(self, message: str, *, kind: str = "", details: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.details = details


class ModelTooSlow(AppError):
    status = 504
    code = "model_timeout"


class AnswerTooLarge(AppError):
    status = 502
    code = "answer_too_large"


class ModelLost(Unavailable):
    code = "model_crashed"


class ModelUnhealthy(Unavailable):
    """`details` is what its owner may read."""

    code = "model_unhealthy"

    def __init__(self, message: str, *, retry_after_seconds: int = 1, details: str = "") -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_seconds)})
        self.details = details


class TooManyWaiting(Unavailable):
    code = "too_many_waiting"

    def __init__(self, message: str) -> None:
        super().__init__(message, headers={"Retry-After": "1"})


class NotReady(Conflict):
    code = "model_not_ready"
