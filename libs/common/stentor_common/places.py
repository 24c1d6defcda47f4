"""Places for those who keep a process busy while they are there: so many, and so many for each caller."""

from collections import Counter

from stentor_common.auth import Caller
from stentor_common.errors import Throttled, Unavailable

AGAIN_SECONDS = 30


class Places:
    """Counts who is there, in this process. `what` names them: `live sessions`."""

    def __init__(self, what: str, *, most: int, most_each: int) -> None:
        self._what, self._most, self._most_each = what, most, most_each
        self._taken: Counter[str] = Counter()

    def take(self, caller: Caller) -> None:
        """Raises Unavailable or Throttled when there is no place."""
        if self._taken.total() >= self._most:
            raise Unavailable(f"all places for {self._what} are taken; try again in a while")
        if self._taken[caller.key] >= self._most_each:
            raise Throttled(
                f"you have {self._most_each} {self._what} already; end one first",
                retry_after_seconds=AGAIN_SECONDS,
            )
        self._taken[caller.key] += 1

    def give_back(self, caller: Caller) -> None:
        self._taken[caller.key] -= 1
        self._taken += Counter()
