"""Who used which model, and how much: counted in memory, written down by others now and then."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from stentor_common.auth import Caller


@dataclass(frozen=True, slots=True)
class Used:
    """What one caller had of one revision since the last time this was asked."""

    deployment_id: uuid.UUID
    revision_id: uuid.UUID
    user_id: uuid.UUID | None
    token_id: uuid.UUID | None
    calls: int
    failed: int
    """Of these."""
    seconds: float
    """That the calls took together, waiting included."""


class Ledger(Protocol):
    """Where use is written down, for all processes together."""

    async def write(self, used: Sequence[Used]) -> None:
        """Add these to what is known."""

    async def idle_seconds(self, revision_id: uuid.UUID) -> float:
        """Since any process last wrote of calls to it; infinite when none did."""


Key = tuple[uuid.UUID, uuid.UUID, uuid.UUID | None, uuid.UUID | None]


class Meter:
    """Counts calls. Costs a call a dictionary look-up."""

    def __init__(self) -> None:
        self._counts: dict[Key, list[float]] = {}

    def count(
        self,
        deployment_id: uuid.UUID,
        revision_id: uuid.UUID,
        caller: Caller,
        seconds: float,
        *,
        failed: bool,
    ) -> None:
        key = (deployment_id, revision_id, caller.user_id, caller.token_id)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = [0, 0, 0.0]
        counts[0] += 1
        counts[1] += failed
        counts[2] += seconds

    def take(self) -> list[Used]:
        """All that was counted since the last time."""
        taken, self._counts = self._counts, {}
        return [
            Used(*key, calls=int(calls), failed=int(failed), seconds=seconds)
            for key, (calls, failed, seconds) in taken.items()
        ]

    def put_back(self, used: Sequence[Used]) -> None:
        """It could not be written."""
        for each in used:
            key = (each.deployment_id, each.revision_id, each.user_id, each.token_id)
            counts = self._counts.setdefault(key, [0, 0, 0.0])
            counts[0] += each.calls
            counts[1] += each.failed
            counts[2] += each.seconds
