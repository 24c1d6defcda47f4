"""The engines of a process together, within a budget of memory."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Generic

import structlog

from stentor_common.catalog import ModelStatus
from stentor_common.clock import Clock, SystemClock
from stentor_common.engines import Care, E, EngineSlot, EngineState
from stentor_common.errors import Unavailable

MIB = 1 << 20
NEVER = datetime.min.replace(tzinfo=UTC)

log = structlog.get_logger()


class NoRoom(Unavailable):
    code = "model_too_large"
    retryable = False

    def __init__(self, name: str, need: int, budget: int, pinned: list[str]) -> None:
        beside = f", of which {', '.join(pinned)} must keep theirs" if pinned else ""
        super().__init__(
            f"model {name} needs about {need // MIB} MiB, and models may fill {budget // MIB} MiB{beside}; "
            "the operator may raise that limit or unpin a model"
        )


class EngineRoom(Generic[E]):
    """The engines of a process, and how much memory they may fill together: `budget_bytes`, 0 for any.

    An engine that does not fit beside the others has them unloaded that are idle and not pinned, the one
    used longest ago first. When that is not enough it waits for a busy one's turn to end.
    """

    def __init__(self, budget_bytes: int = 0, clock: Clock | None = None) -> None:
        self.slots: dict[str, EngineSlot[E]] = {}
        self.clock = clock or SystemClock()
        self.at_work = False
        """Whether this process loads them: a worker does, an API that was started beside workers does not."""
        self.crowded = False
        """Whether an engine waits for the room of another."""
        self._budget = budget_bytes
        self._line = asyncio.Lock()
        self._changed = asyncio.Event()

    def add(self, name: str, make: Callable[[], E], care: Care[E]) -> EngineSlot[E]:
        self.slots[name] = EngineSlot(name, make, care, self)
        return self.slots[name]

    async def close(self) -> None:
        for slot in self.slots.values():
            await slot.close()

    def note_change(self) -> None:
        """Somebody who waits for room may look again."""
        self._changed.set()

    async def let_pass(self, slot: EngineSlot[E]) -> None:
        """Whoever waits for this engine's room goes first."""
        if self.crowded and not slot.pinned:
            async with self._line:
                pass

    async def make_room(self, slot: EngineSlot[E], need: int) -> None:
        """Reserve the bytes for a slot. Raises NoRoom when waiting would be in vain."""
        async with self._line:
            try:
                while self._budget and self._held() + need > self._budget:
                    if victim := self._longest_idle():
                        log.info("making room for another model", model=slot.name, unloaded=victim.name)
                        await victim.give_up()
                        continue
                    self._refuse_hopeless(slot, need)
                    self.crowded = True
                    self._changed.clear()
                    await self._changed.wait()
                slot.held_bytes = need
            finally:
                self.crowded = False

    def _held(self) -> int:
        return sum(slot.held_bytes for slot in self.slots.values())

    def _longest_idle(self) -> EngineSlot[E] | None:
        idle = [slot for slot in self.slots.values() if slot.loaded and not slot.users and not slot.pinned]
        return min(idle, key=lambda slot: slot.last_used or NEVER, default=None)

    def _refuse_hopeless(self, slot: EngineSlot[E], need: int) -> None:
        pinned = [other for other in self.slots.values() if other.pinned and other.held_bytes]
        if sum(other.held_bytes for other in pinned) + need > self._budget:
            raise NoRoom(slot.name, need, self._budget, [other.name for other in pinned])


def status_of(slot: EngineSlot[E], jobs: int, source: str) -> ModelStatus:
    """What a process tells of a model: `jobs` use it, and its weights come from `source`."""
    now = slot.status
    copies = int(now.state == EngineState.loaded)
    return ModelStatus(now.state, now.pinned, copies, now.memory_bytes, jobs, now.last_used, source)
