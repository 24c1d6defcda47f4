"""What goes over the pipe between a process and the child that runs an engine for it."""

import traceback
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from stentor_common.errors import AppError


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception, taken apart: classes of errors with arguments of their own do not survive a pickle."""

    kind: type[AppError] | None
    """None for anything that is not meant for callers."""
    text: str
    state: dict[str, Any]
    trace: str

    @classmethod
    def of(cls, error: BaseException) -> Self:
        trace = "".join(traceback.format_exception(error))
        if isinstance(error, AppError):
            return cls(type(error), error.message, dict(vars(error)), trace)
        return cls(None, f"{type(error).__name__}: {error}", {}, trace)

    def error(self, fault: type[Exception]) -> Exception:
        """The same error here; a `fault` where it is not one for callers."""
        if self.kind is None:
            found = fault(self.text)
            found.add_note(self.trace)
            return found
        known = self.kind.__new__(self.kind, self.text)
        known.args = (self.text,)
        vars(known).update(self.state)
        return known


Answer: TypeAlias = Any
"""What the method returned, or a Failure."""
