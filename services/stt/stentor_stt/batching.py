"""Who hears pieces of sound: the port, and one model that hears them in batches."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from stentor_common import batching
from stentor_common.batching import BatchLimits, Craft
from stentor_common.engines import EngineLost, EngineSlot
from stentor_stt.audio import SAMPLE_RATE
from stentor_stt.engines import Engine, Heard, Piece
from stentor_stt.options import Options


class Hearer(Protocol):
    """Hears sound with one of the served models, wherever that is."""

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        """What a piece says. Waits for its turn; cancelling gives the turn back.

        `job` is what the piece is part of, `caller` whose share it is taken from; `live` goes first.
        Raises UnknownModel, what the engine's `check` and loading raise, EngineLost when the engine ended
        on it twice, Unavailable when nobody answers.
        """

    async def check(self, model: str, options: Options) -> None:
        """Raises what `hear` would raise for these options. Loads the model."""


HEARING: Craft[Engine, Piece, Heard] = Craft(
    act=lambda engine, pieces: engine.hear(pieces), seconds=lambda piece: len(piece.sound) / SAMPLE_RATE
)


class Batcher(batching.Batcher[Engine, Piece, Heard]):
    """Hears pieces with one model."""

    def __init__(
        self,
        slot: EngineSlot[Engine],
        limits: BatchLimits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(slot, HEARING, limits, now)

    async def hear(self, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        """See `Hearer.hear`."""
        return await self.ask(piece, job=job, caller=caller, live=live)

    async def check(self, options: Options) -> None:
        """See `Hearer.check`."""
        try:
            await self._check(options)
        except EngineLost:
            # Perhaps it was lost while nobody used it.
            await self._check(options)

    async def _check(self, options: Options) -> None:
        async with self._slot.borrow() as engine:
            await asyncio.to_thread(engine.check, options)
