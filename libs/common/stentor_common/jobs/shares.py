"""How many of a worker's places one owner's jobs may fill: there is always one left for somebody else."""

import uuid
from collections import Counter
from collections.abc import Mapping

from stentor_common.jobs.leases import Lease

KEPT_FREE = 4
"""One in so many places is not for an owner who fills all the others; where there are fewer, none is."""


class Shares:
    def __init__(self, places: Mapping[str, int]) -> None:
        """`places` says how many jobs of a queue run at a time."""
        self._most = {queue: places[queue] - places[queue] // KEPT_FREE for queue in places}
        self._kept_free = {queue for queue in places if places[queue] >= KEPT_FREE}
        self._running: Counter[tuple[str, uuid.UUID | None]] = Counter()

    def full(self, queue: str) -> frozenset[uuid.UUID | None]:
        """Owners whose jobs have all the places that they may have."""
        if queue not in self._kept_free:
            return frozenset()
        return frozenset(
            owner
            for (of, owner), count in self._running.items()
            if of == queue and count >= self._most[queue]
        )

    def enter(self, lease: Lease) -> None:
        self._running[lease.queue, lease.owner_id] += 1

    def leave(self, lease: Lease) -> None:
        self._running[lease.queue, lease.owner_id] -= 1
