"""How many replicas a revision has, between the least and the most of its deployment."""

from dataclasses import dataclass

UP_AFTER_SECONDS = 2.0
"""Calls wait all this time: one more replica."""

DOWN_AFTER_SECONDS = 60.0
"""One replica fewer would have done all this time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is seen in one moment."""

    replicas: int
    waiting: int
    in_flight: int
    concurrency: int
    batch: int = 1


class Scaling:
    """Looks at the load now and then, and goes up fast and down slowly, one at a time."""

    def __init__(self) -> None:
        self._crowded_since: float | None = None
        self._spare_since: float | None = None

    def wanted(self, load: Load, least: int, most: int, now: float) -> int:
        """`now` is in seconds, from any start."""
        # A call that waits for the batch before it is no sign of a crowd.
        crowded = load.waiting >= load.batch
        spare = load.waiting == 0 and load.in_flight <= (load.replicas - 1) * load.concurrency
        self._crowded_since = self._since(self._crowded_since, now) if crowded else None
        self._spare_since = self._since(self._spare_since, now) if spare else None
        wanted = load.replicas
        if self._crowded_since is not None and now - self._crowded_since >= UP_AFTER_SECONDS:
            wanted, self._crowded_since = wanted + 1, now
        elif self._spare_since is not None and now - self._spare_since >= DOWN_AFTER_SECONDS:
            wanted, self._spare_since = wanted - 1, now
        return max(1, least, min(wanted, most))

    @staticmethod
    def _since(since: float | None, now: float) -> float:
        return now if since is None else since
