"""Rest for what fails again and again."""

import time
from collections.abc import Callable

LONGEST_PAUSE_SECONDS = 60.0


class Breaker:
    """Opens after so many failures in a row; then one try is let through after each pause of 1, 2, 4, ...
    seconds, until one succeeds."""

    def __init__(self, after: int, now: Callable[[], float] = time.monotonic) -> None:
        self._after, self._now = after, now
        self._failures = 0
        self._next_try = 0.0

    @property
    def open(self) -> bool:
        return self._failures >= self._after

    @property
    def seconds_left(self) -> float:
        """Until the next try is let through."""
        return max(0.0, self._next_try - self._now()) if self.open else 0.0

    def lets(self) -> bool:
        """Whether to try; a yes to an open one is the only one within its pause."""
        if not self.open:
            return True
        if self.seconds_left:
            return False
        self._next_try = self._now() + self._pause()
        return True

    def failed(self) -> None:
        self._failures += 1
        if self.open:
            self._next_try = self._now() + self._pause()

    def succeeded(self) -> None:
        self._failures = 0

    def _pause(self) -> float:
        return min(LONGEST_PAUSE_SECONDS, 2.0 ** min(10, self._failures - self._after))
