"""Waiting for what other processes do."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.05


def eventually(look: Callable[[], T], *, seconds: float = 60) -> T:
    """The first true answer of `look`. Raises AssertionError when there is none within that time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {found!r}"
        time.sleep(LOOK_SECONDS)
    return found
