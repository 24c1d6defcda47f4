"""What goes over the pipe between a process and the child that runs an engine for it."""

import traceback
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from stentor_common.errors import AppError

MAKE = "make"
"""The first call: makes the engine, of a factory `module:name` and its arguments."""


@dataclass(frozen=True, slots=True)
class Call:
    number: int
    method: str
    arguments: tuple[Any, ...]
    in_parts: bool = False
    """The method is a generator: each of its values is a Part of its own, then None ends them."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Nobody reads further parts of a call."""

    number: int


@dataclass(frozen=True, slots=True)
class Part:
    value: Any


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
"""What the method returned, a Part of it, or a Failure."""
