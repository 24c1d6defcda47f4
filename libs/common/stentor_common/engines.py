"""Engines in memory: loaded once on first use, shared, unloaded when nobody needs them."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import structlog

from stentor_common.errors import AppError, Conflict, Unavailable

if TYPE_CHECKING:
    from stentor_common.engine_room import EngineRoom

FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 1, 60
"""After a load that failed; doubled with each further one."""

TURN_FACTOR = 5
"""A busy engine whose room is wanted keeps it for this many times the seconds its loading took: loading
one model after the other then costs a sixth of the time at most."""

log = structlog.get_logger()


class EngineLost(Unavailable):
    """An engine ended by itself, or the system ended it. The next use loads it again."""

    code = "engine_lost"


class EngineInUse(Conflict):
    code = "model_in_use"

    def __init__(self, name: str) -> None:
        super().__init__(f"model {name} is in use and stays loaded; try again when its jobs are over")


class LoadFailed(Unavailable):
    """A load failed a moment ago, of something that is nobody's fault, and is not tried again yet."""

    code = "model_load_failed"


class Loadable(Protocol):
    def load(self) -> None:
        """Bring weights to the device; blocking."""

    def unload(self) -> None:
        """Give the memory back; blocking. While another thread loads, end that or wait for it."""


E = TypeVar("E", bound=Loadable)


class EngineState(StrEnum):
    idle = "idle"
    """Not in memory; loaded by its next use."""
    loading = "loading"
    loaded = "loaded"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    state: EngineState = EngineState.idle
    pinned: bool = False
    users: int = 0
    memory_bytes: int | None = None
    last_used: datetime | None = None


@dataclass(frozen=True, slots=True)
class Care(Generic[E]):
    """How an engine is kept."""

    idle_seconds: float = -1
    """Unload it after this long without a user; a negative number keeps it."""

    estimate: Callable[[], int] = lambda: 0
    """Bytes it will fill, as far as that is known before it is loaded; blocking."""

    measure: Callable[[E], int | None] = lambda _: None
    """Bytes it fills now; None when nobody can tell."""


class EngineSlot(Generic[E]):
    """One engine that several users share; never in memory twice.

    Loading happens once however many ask at the same moment, and goes on when they give up. A load that
    failed is not tried again for a moment.
    """

    def __init__(self, name: str, make: Callable[[], E], care: Care[E], room: "EngineRoom[E]") -> None:
        self.name = name
        self.users = 0
        self.last_used: datetime | None = None
        self.held_bytes = 0
        """What it counts for in the budget."""
        self._peak_bytes = 0
        self._make = make
        self._care = care
        self._room = room
        self._pinned = False
        self._changing = asyncio.Lock()
        self._engine: E | None = None
        self._coming: E | None = None
        self._loading: asyncio.Task[E] | None = None
        self._load_ended: datetime | None = None
        self._load_took = timedelta()
        self._failures = 0
        self._failure: BaseException | None = None
        self._unloading: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        return self._engine is not None

    @property
    def pinned(self) -> bool:
        return self._pinned

    @property
    def status(self) -> EngineStatus:
        state = EngineState.loaded if self.loaded else EngineState.idle
        if self._loading and not self._loading.done():
            state = EngineState.loading
        held = self._care.measure(self._engine) if self._engine is not None else None
        return EngineStatus(state, self._pinned, self.users, held, self.last_used)

    @property
    def asked_to_yield(self) -> bool:
        """Whether another engine waits for this one's room, and this one has had its turn."""
        if not self._room.crowded or self._pinned or self._load_ended is None:
            return False
        return self._room.clock.now() - self._load_ended >= TURN_FACTOR * self._load_took

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[E]:
        """The loaded engine, which stays loaded while the block lasts.

        An EngineLost that leaves the block makes the next one load it again. Raises what loading raises,
        LoadFailed, NoRoom.
        """
        await self._room.let_pass(self)
        self.users += 1
        try:
            engine = await self.load()
            try:
                yield engine
            except EngineLost:
                await self._forget(engine)
                raise
        finally:
            self.users -= 1
            self.last_used = self._room.clock.now()
            self._note_memory()
            self._room.note_change()
            self._unload_when_idle()

    async def load(self, *, pin: bool | None = None) -> E:
        """The engine, loaded. With `pin` true it stays until it is unpinned; None changes nothing."""
        before = self._pinned
        if pin is not None:
            self._pin(pin)
        if self._engine is not None:
            return self._engine
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load(), name=f"load {self.name}")
            # Seen by whoever waits; when they all gave up there is nobody to tell.
            self._loading.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            return await asyncio.shield(self._loading)
        except Exception:
            self._pin(before)
            raise

    async def unload(self) -> None:
        """Unpin it and give its memory back. Raises EngineInUse, and then nothing has changed."""
        if self.users or (self._loading and not self._loading.done()) or not await self.give_up():
            raise EngineInUse(self.name)
        self._pin(False)

    async def give_up(self) -> bool:
        """Unload it unless somebody uses it; whether it is unloaded now."""
        async with self._changing:
            if self.users:
                return False
            await self._unload()
            return True

    async def close(self) -> None:
        """Unload it, even under those who use it: what they do was given back, and a process that ends would
        wait for them, however long a model works on one call."""
        if self._unloading:
            self._unloading.cancel()
        if self._coming is not None:
            await asyncio.to_thread(self._coming.unload)
        if self._loading:
            self._loading.cancel()
            await asyncio.wait([self._loading])
        async with self._changing:
            await self._unload()

    async def _unload(self) -> None:
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await asyncio.to_thread(engine.unload)
            self._let_go()
            log.info("model unloaded", model=self.name)

    async def _load(self) -> E:
        async with self._changing:
            if self._engine is not None:
                return self._engine
            self._refuse_while_resting()
            try:
                estimate = await asyncio.to_thread(self._care.estimate)
                await self._room.make_room(self, max(estimate, self._peak_bytes))
                started = self._room.clock.now()
                self._coming = self._make()
                await asyncio.to_thread(self._coming.load)
            except BaseException as error:
                self._coming = None
                self._let_go()
                self._note_failure(error)
                raise
            self._engine, self._coming = self._coming, None
            self._failures, self._load_ended = 0, self._room.clock.now()
            self._load_took = self._load_ended - started
            self._note_memory()
            log.info("model loaded", model=self.name, seconds=round(self._load_took.total_seconds(), 2))
            return self._engine

    def _note_memory(self) -> None:
        """Engines grow with use; what one once filled it will need again."""
        if self._engine is not None:
            self._peak_bytes = max(self._peak_bytes, self._care.measure(self._engine) or 0)
            self.held_bytes = max(self.held_bytes, self._peak_bytes)

    def _pin(self, pinned: bool) -> None:
        self._pinned = pinned
        self._room.note_change()
        self._unload_when_idle()

    async def _forget(self, engine: E) -> None:
        if self._engine is engine:
            self._engine = None
            await asyncio.to_thread(engine.unload)
            self._let_go()

    def _let_go(self) -> None:
        self.held_bytes = 0
        self._room.note_change()

    def _note_failure(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            return
        self._failures += 1
        self._load_ended = self._room.clock.now()
        self._failure = error
        log.warning("a model could not be loaded", model=self.name, reason=repr(error))

    def _refuse_while_resting(self) -> None:
        if not self._failures or self._load_ended is None:
            return
        rest = min(LONGEST_REST_SECONDS, FIRST_REST_SECONDS * 2 ** (self._failures - 1))
        left = self._load_ended + timedelta(seconds=rest) - self._room.clock.now()
        if left <= timedelta():
            return
        if isinstance(self._failure, AppError):
            raise self._failure
        # Words of others are not fit for callers; the log has them.
        raise LoadFailed(
            f"model {self.name} could not be loaded: {type(self._failure).__name__}; "
            f"it is tried again in {left.total_seconds():.0f} s"
        )

    def _unload_when_idle(self) -> None:
        if self._unloading:
            self._unloading.cancel()
            self._unloading = None
        if self._care.idle_seconds >= 0 and not self.users and not self._pinned:
            # Without the log's context of the job that was the last to use it.
            self._unloading = asyncio.create_task(self._wait_and_unload(), context=contextvars.Context())

    async def _wait_and_unload(self) -> None:
        await asyncio.sleep(self._care.idle_seconds)
        # From here on it is finished, not cancelled half-way.
        self._unloading = None
        await self.give_up()
