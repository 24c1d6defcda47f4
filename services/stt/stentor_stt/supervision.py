"""How whoever asked for a recognition watches it, bounds it and stops it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field


def _ignore_progress(done_ms: int, total_ms: int | None) -> None: ...


def _never_stop() -> None: ...


@dataclass(frozen=True, slots=True)
class Supervision:
    report: Callable[[int, int | None], None] = _ignore_progress
    """Told after every segment: milliseconds of sound done, and in all as far as that is known."""

    check: Callable[[], None] = _never_stop
    """Asked between segments and while waiting for the decoder; what it raises ends the recognition."""

    turn: AbstractContextManager[object] = field(default_factory=nullcontext)
    """Held while the model works on one piece, half a minute at most: recordings that share a model take
    turns, so that a short one is not stuck behind a long one. Must be enterable again and again."""

    window_seconds: float = 300
    """Most sound the model is given at once: bounds memory, whatever the recording's length."""

    max_seconds: float = 24 * 3600
    """Longest recording; a longer one is refused, whatever its header says."""
