"""The replicas of one revision on this machine: as many as wanted, started again when they end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.running import RunSpec
from stentor_deploy.running.child import Child
from stentor_deploy.running.replica import ConnectedReplica

PAUSES: Final = (0, 0.5, 1, 2, 4, 8, 15, 30)
"""Seconds before the next start, by the number of failures in a row."""
STEADY_SECONDS: Final = 30
"""A replica that lived so long was no failure."""
DRAIN_SECONDS: Final = 1.0
UNWANTED: Final = "it is not wanted any more"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Live:
    """A replica and its process."""

    replica: ConnectedReplica
    child: Child


@dataclass(slots=True, eq=False)
class Slot:
    """Room for one replica."""

    task: asyncio.Task[None] | None = None
    live: Live | None = None
    retired: bool = False


class ProcessFleet:
    """Fleet, see the port."""

    def __init__(
        self,
        spec: RunSpec,
        *,
        start: Callable[[], Awaitable[Live]],
        asleep: Callable[[], None],
        closed: Callable[["ProcessFleet"], None],
        standby: Callable[[], bool],
    ) -> None:
        """`start` brings up a replica; `asleep` hears that the last is leaving, `closed` that it is over;
        `standby` says whether the next one is there at once."""
        self.spec = spec
        self._start, self._asleep, self._over, self._standby = start, asleep, closed, standby
        self._slots: list[Slot] = []
        self._leaving: dict[asyncio.Task[None], Slot] = {}
        self._trouble: AppError | None = None
        self._restarts = self._failures = 0
        self._change: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def ready(self) -> Sequence[ConnectedReplica]:
        return [slot.live.replica for slot in self._slots if slot.live and not slot.live.child.ended.done()]

    @property
    def standby(self) -> bool:
        """Whether a process stands by from which the next replica starts at once."""
        return self._standby()

    @property
    def wanted(self) -> int:
        return len(self._slots)

    @property
    def trouble(self) -> AppError | None:
        return self._trouble

    @property
    def restarts(self) -> int:
        return self._restarts

    async def scale(self, replicas: int) -> None:
        replicas = 0 if self._closed else replicas
        while len(self._slots) < replicas:
            slot = Slot()
            self._slots.append(slot)
            slot.task = asyncio.create_task(self._keep(slot))
        # First those that are still starting, then those with the fewest calls.
        leaving = sorted(self._slots, key=lambda slot: slot.live.replica.in_flight if slot.live else -1)
        for slot in leaving[: len(self._slots) - replicas]:
            self._slots.remove(slot)
            task = asyncio.create_task(self._retire(slot))
            self._leaving[task] = slot
            task.add_done_callback(self._leaving.pop)
        if not replicas:
            self._failures = 0
            if leaving:
                self._asleep()
        self._tell()

    async def changed(self) -> None:
        if self._change is None or self._change.done():
            self._change = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._change)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        slots, self._slots = self._slots, []
        for slot in slots:
            slot.retired = True
        # Those that leave are done with waiting for their calls, which end with them.
        ending = [slot.live.child.end(UNWANTED) for slot in self._leaving.values() if slot.live]
        await asyncio.gather(*map(self._end, slots), *ending, *self._leaving, return_exceptions=True)
        self._over(self)
        self._tell()

    async def _keep(self, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        while not slot.retired:
            began = loop.time()
            await self._live_once(slot)
            if loop.time() - began > STEADY_SECONDS:
                self._failures = 0
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            await asyncio.sleep(pause)

    async def _live_once(self, slot: Slot) -> None:
        try:
            slot.live = await self._start()
        except AppError as error:
            self._failed(error)
            return
        except Exception:
            log.exception("a replica could not be started", revision=self.spec.revision)
            self._failed(Unavailable("the model could not be started here; see the server's log"))
            return
        self._trouble = None
        self._tell()
        live = slot.live
        await asyncio.shield(live.child.ended)
        slot.live = None
        if not slot.retired:
            self._restarts += 1
            live.child.output.say(f"{live.child.why}; it is started again")
        self._tell()

    def _failed(self, error: AppError) -> None:
        self._trouble = error
        self._failures = max(1, self._failures)
        self._tell()

    async def _retire(self, slot: Slot) -> None:
        """Once its calls have ended."""
        slot.retired = True
        try:
            while slot.live and not slot.live.child.ended.done():
                if await slot.live.replica.idle(DRAIN_SECONDS):
                    break
        finally:
            await self._end(slot)

    @staticmethod
    async def _end(slot: Slot) -> None:
        live = slot.live
        if slot.task:
            slot.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await slot.task
        if live or slot.live:
            await (live or slot.live).child.end(UNWANTED)  # type: ignore[union-attr]

    def _tell(self) -> None:
        if self._change and not self._change.done():
            self._change.set_result(None)
