"""Batches filled across jobs and live sessions: what waits for a model is done together, in a fair order."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from stentor_common.engines import E, EngineLost, EngineSlot
from stentor_common.line import Line, Place
from stentor_common.metrics import Metrics

LIVE_BATCH_SECONDS = 1.0
"""How long other batches may take about while somebody is there live, and would have to wait for them."""

LIVE_MEMORY_SECONDS = 30
"""How long after its last piece a live session is taken to be still there."""

Q = TypeVar("Q")
A = TypeVar("A")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    pieces: int = 8
    seconds: float = 4
    """How long a batch may take about, by the speed of those before: whoever comes new waits so long. One
    piece is always taken, however long it takes."""


@dataclass(frozen=True, slots=True)
class Craft(Generic[E, Q, A]):
    """What an engine does, piece by piece."""

    act: Callable[[E, Sequence[Q]], Sequence[A]]
    """Its answer to each piece of a batch, in order; blocks, and is called by one thread at a time."""

    seconds: Callable[[Q], float]
    """How much work a piece is, in seconds of sound."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Asked(Place, Generic[Q, A]):
    """A piece in the line, and who waits for the answer."""

    piece: Q
    answer: "asyncio.Future[A]"

    def fail(self, error: Exception) -> None:
        # Who gave up has cancelled the answer.
        if not self.answer.done():
            self.answer.set_exception(error)


class Batcher(Generic[E, Q, A]):
    """Has one model work on pieces, in batches.

    A batch is whatever waits when the engine is free: nobody ever waits for a batch to fill. Pieces that
    failed together are tried once more, each alone, so that a bad one fails only its own job; so is a piece
    whose engine was lost.
    """

    def __init__(
        self,
        slot: EngineSlot[E],
        craft: Craft[E, Q, A],
        limits: BatchLimits | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._craft = craft
        self._limits = limits or BatchLimits()
        self._now = now
        self._line: Line[_Asked[Q, A]] = Line()
        self._under_way: list[_Asked[Q, A]] = []
        self._serving: asyncio.Task[None] | None = None
        # A thread of its own: a batch lasts seconds and must not starve the default pool.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"work {slot.name}")
        self._metrics: Metrics | None = None
        self._last_live = float("-inf")
        self._speed = 0.0
        """Seconds of sound done in a second, lately; 0 until something was done."""

    @property
    def waiting(self) -> int:
        """Pieces whose turn has not come."""
        return len(self._line)

    @property
    def jobs(self) -> int:
        """Jobs and live sessions with pieces here."""
        return len(self._line.jobs | {asked.job for asked in self._under_way})

    def tell(self, metrics: Metrics) -> None:
        """Have the metrics told about batches and waiting pieces."""
        self._metrics = metrics
        metrics.pieces_waiting.labels(self._slot.name).set_function(lambda: self.waiting)

    async def ask(self, piece: Q, *, job: str, caller: str, live: bool = False) -> A:
        """The engine's answer to a piece. Waits for its turn; cancelling gives the turn back.

        `job` is what the piece is part of, `caller` whose share it is taken from; `live` goes first.
        Raises what loading and the engine raise, EngineLost when the engine ended on it twice.
        """
        if live:
            self._last_live = self._now()
        asked: _Asked[Q, A] = _Asked(
            caller=caller,
            job=job,
            seconds=self._craft.seconds(piece),
            live=live,
            piece=piece,
            answer=asyncio.get_running_loop().create_future(),
        )
        self._join(asked)
        try:
            return await asked.answer
        finally:
            self._line.leave(asked)

    async def close(self) -> None:
        """End; whoever still waits is told that the engine is gone."""
        under_way, gone = self._under_way, EngineLost("this process is ending; try again")
        if self._serving:
            self._serving.cancel()
            await asyncio.wait([self._serving])
        for asked in under_way:
            asked.fail(gone)
        self._fail_all(gone)
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _join(self, asked: _Asked[Q, A]) -> None:
        self._line.join(asked)
        if self._serving is None or self._serving.done():
            # Works for many jobs: the one that began it must not be named in all its lines of the log.
            self._serving = asyncio.create_task(
                self._serve(), name=f"work {self._slot.name}", context=contextvars.Context()
            )

    async def _serve(self) -> None:
        """Until nobody waits. One use of the engine is one turn in the memory it shares with others."""
        while self._line:
            loaded = False
            try:
                async with self._slot.borrow() as engine:
                    loaded = True
                    while self._line and not self._slot.asked_to_yield:
                        await self._do_next(engine)
            except Exception as error:
                log.warning("a model cannot be used", model=self._slot.name, reason=repr(error))
                if not loaded:
                    # Told to all who wait for it: each job knows what to do.
                    self._fail_all(error)

    async def _do_next(self, engine: E) -> None:
        batch = self._take()
        started = self._now()
        self._under_way = batch
        try:
            pieces = [asked.piece for asked in batch]
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(self._thread, self._craft.act, engine, pieces)
            for asked, answer in zip(batch, answers, strict=True):
                if not asked.answer.done():
                    asked.answer.set_result(answer)
            self._note(batch, self._now() - started)
        except Exception as error:
            self._again_or_fail(batch, error)
            if isinstance(error, EngineLost):
                raise
        finally:
            self._under_way = []

    def _take(self) -> list[_Asked[Q, A]]:
        seconds = self._limits.seconds
        if self._now() - self._last_live < LIVE_MEMORY_SECONDS:
            seconds = min(seconds, LIVE_BATCH_SECONDS)
        return self._line.take(self._limits.pieces, seconds * self._speed)

    def _again_or_fail(self, batch: list[_Asked[Q, A]], error: Exception) -> None:
        again = len(batch) > 1 or isinstance(error, EngineLost)
        for asked in batch:
            if again and not asked.alone and not asked.answer.done():
                asked.alone = True
                self._line.join(asked)
            else:
                asked.fail(error)

    def _fail_all(self, error: Exception) -> None:
        for asked in self._line.take_all():
            asked.fail(error)

    def _note(self, batch: list[_Asked[Q, A]], took: float) -> None:
        seconds = sum(asked.seconds for asked in batch)
        if took > 0:
            speed = seconds / took
            self._speed = (self._speed + speed) / 2 if self._speed else speed
        if self._metrics:
            self._metrics.batch_pieces.labels(self._slot.name).observe(len(batch))
