"""A loaded engine, lent to jobs that use it by turns, while other models may want its room."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType

from stentor_common.engines import EngineSlot
from stentor_summarize.engines import Digest, Engine, Kind, Wanted, Working


class LentEngine:
    """An Engine for one job, which keeps it in memory. Entered, it is this job's turn.

    `turns` is shared by all jobs that use the same engine. Between turns the job lets go of the engine when
    another model waits for its room and this one has had its time; then it is loaded again.
    """

    def __init__(self, slot: EngineSlot[Engine], turns: asyncio.Lock) -> None:
        self._slot = slot
        self._turns = turns
        self._loan = slot.borrow()
        self._engine: Engine | None = None
        self.name = ""
        self.model = slot.name
        self.kind = Kind.abstractive

    async def borrow(self) -> None:
        """Have it loaded. Raises what loading raises."""
        self._loan = self._slot.borrow()
        self._engine = engine = await self._loan.__aenter__()
        self.name, self.kind = engine.name, engine.kind

    async def give_back(self, error: BaseException | None = None) -> None:
        """Nobody uses it for this job any more. The slot has to know if its end was an EngineLost."""
        if self._engine is None:
            return
        self._engine = None
        trace = error.__traceback__ if error else None
        await self._loan.__aexit__(type(error) if error else None, error, trace)

    async def __aenter__(self) -> None:
        while True:
            await self._turns.acquire()
            if not self._slot.asked_to_yield:
                return
            # Not while others wait for this turn: they hold the engine too, and have to let go of it.
            self._turns.release()
            await self.give_back()
            await self.borrow()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._turns.release()

    def load(self) -> None:
        """It is."""

    def unload(self) -> None:
        """Its slot does that."""

    def token_limit(self, wanted: Wanted) -> int:
        return self._lent().token_limit(wanted)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._lent().count_tokens(texts)

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        return self._lent().digest(passages, wanted, last)

    def _lent(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("an engine is used while it is borrowed")
        return self._engine


@asynccontextmanager
async def lent(slot: EngineSlot[Engine], turns: asyncio.Lock) -> AsyncIterator[LentEngine]:
    """The slot's engine, loaded, while the block lasts. Raises what `EngineSlot.borrow` raises."""
    engine = LentEngine(slot, turns)
    await engine.borrow()
    try:
        yield engine
    except BaseException as error:
        await engine.give_back(error)
        raise
    await engine.give_back()
