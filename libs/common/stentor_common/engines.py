"""Engines in memory: loaded once on first use, shared, counted, unloaded when nobody needs them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import structlog

log = structlog.get_logger()


class Loadable(Protocol):
    def load(self) -> None:
        """Bring weights to the device; blocking."""

    def unload(self) -> None:
        """Give the memory back; blocking."""


E = TypeVar("E", bound=Loadable)


class EngineSlot(Generic[E]):
    """One engine that several users share.

    Loading happens once however many ask at the same moment; a failed load is tried again by the
    next one who asks. After `idle_seconds` without a user the engine is unloaded; a negative number
    keeps it.
    """

    def __init__(self, make: Callable[[], E], *, idle_seconds: float) -> None:
        self._make = make
        self._idle_seconds = idle_seconds
        self._changing = asyncio.Lock()
        self._engine: E | None = None
        self._users = 0
        self._unloading: asyncio.Task[None] | None = None

    @property
    def loaded(self) -> bool:
        return self._engine is not None

    @asynccontextmanager
    async def borrow(self) -> AsyncIterator[E]:
        """The loaded engine, which stays loaded while the block lasts."""
        self._users += 1
        try:
            yield await self.load()
        finally:
            self._users -= 1
            self._unload_when_idle()

    async def load(self) -> E:
        async with self._changing:
            if self._engine is None:
                engine = self._make()
                await asyncio.to_thread(engine.load)
                self._engine = engine
            return self._engine

    async def close(self) -> None:
        if self._unloading:
            self._unloading.cancel()
        await self._unload()

    def _unload_when_idle(self) -> None:
        if self._unloading:
            self._unloading.cancel()
        if self._idle_seconds >= 0 and not self._users:
            self._unloading = asyncio.create_task(self._wait_and_unload())

    async def _wait_and_unload(self) -> None:
        await asyncio.sleep(self._idle_seconds)
        await self._unload()

    async def _unload(self) -> None:
        async with self._changing:
            if self._engine is None or self._users:
                return
            engine, self._engine = self._engine, None
            await asyncio.to_thread(engine.unload)
            log.info("engine unloaded")
