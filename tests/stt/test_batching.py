"""Batches across jobs: whatever waits is heard together, in a fair order, and nobody fails for another."""

import asyncio
import queue
from collections.abc import AsyncIterator, Sequence
from functools import partial

import numpy as np
import pytest

from stentor_common.batching import BatchLimits
from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care, EngineInUse, EngineLost, LoadFailed
from stentor_common.line import Line, Place
from stentor_common.metrics import open_metrics
from stentor_common.testing import eventually
from stentor_stt.audio import SAMPLE_RATE
from stentor_stt.batching import Batcher
from stentor_stt.engines import Engine, Heard, Piece
from stentor_stt.errors import UnknownLanguage
from stentor_stt.options import Options

GOOD, BAD, FATAL = 0.5, 0.25, 0.125
"""How loud a piece is says how the engine takes it."""


class Gated:
    """Hears one batch each time it is let, and remembers them: the seconds of every piece."""

    name = model = "gated"

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.loads = self.losses = 0
        self.load_error: Exception | None = None
        self.speed = 1e6
        self.now = 0.0
        self._lets: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def let(self, batches: int = 1) -> None:
        for _ in range(batches):
            self._lets.put(True)

    def stop_letting(self) -> None:
        while not self._lets.empty():
            self._lets.get()

    def load(self) -> None:
        if self.load_error:
            raise self.load_error
        self.loads += 1

    def unload(self) -> None: ...

    def languages(self) -> frozenset[str]:
        return frozenset({"en"})

    def check(self, options: Options) -> None:
        if options.language == "xx":
            raise UnknownLanguage("xx", model=self.model, known=self.languages())

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        self.batches.append([len(piece.sound) // SAMPLE_RATE for piece in pieces])
        self._lets.get(timeout=10)
        self.now += sum(self.batches[-1]) / self.speed
        kinds = [float(piece.sound[0]) for piece in pieces]
        if FATAL in kinds and self.losses:
            self.losses -= 1
            raise EngineLost("killed")
        if BAD in kinds:
            raise ValueError("what is this")
        return [Heard(f"{len(piece.sound) // SAMPLE_RATE} s", 1.0, ()) for piece in pieces]


class Listening:
    """A batcher with its engine, and what is asked of it."""

    def __init__(self, limits: BatchLimits) -> None:
        self.engine = Gated()
        room: EngineRoom[Engine] = EngineRoom()
        self.slot = room.add("gated", lambda: self.engine, Care())
        self.batcher = Batcher(self.slot, limits, now=lambda: self.engine.now)
        self.asked: list[asyncio.Task[Heard]] = []

    async def ask(
        self, seconds: int, job: str = "job", caller: str = "ann", *, live: bool = False, kind: float = GOOD
    ) -> asyncio.Task[Heard]:
        piece = Piece(np.full(seconds * SAMPLE_RATE, kind, np.float32), Options())
        task = asyncio.create_task(self.batcher.hear(piece, job=job, caller=caller, live=live))
        self.asked.append(task)
        await asyncio.sleep(0)
        return task

    async def busy(self) -> None:
        """The engine hears something and goes on when it is let; what is asked from now on waits."""
        first = await self.ask(30, "first", "first")

        async def begun() -> bool:
            return bool(self.engine.batches)

        await eventually(begun)
        self.asked.remove(first)

    async def heard(self) -> list[list[int]]:
        """All that was asked, as it was batched after the first."""
        self.engine.let(100)
        await asyncio.gather(*self.asked, return_exceptions=True)
        self.engine.stop_letting()
        return self.engine.batches[1:]

    @property
    def order(self) -> list[int]:
        return [seconds for batch in self.engine.batches[1:] for seconds in batch]


@pytest.fixture
def limits() -> BatchLimits:
    return BatchLimits()


@pytest.fixture
async def listening(limits: BatchLimits) -> AsyncIterator[Listening]:
    made = Listening(limits)
    yield made
    made.engine.let(100)
    await made.batcher.close()


ONE_BY_ONE = pytest.mark.parametrize("limits", [BatchLimits(pieces=1)])


async def test_a_piece_is_heard_at_once_when_nobody_else_is_there(listening: Listening) -> None:
    listening.engine.let()
    assert (await (await listening.ask(3))).language == "3 s"
    assert listening.engine.batches == [[3]]


async def test_what_came_meanwhile_is_heard_together_whatever_jobs_it_is_of(listening: Listening) -> None:
    await listening.busy()
    for seconds, job, caller in ((3, "talk", "ann"), (5, "call", "ann"), (4, "note", "bob")):
        await listening.ask(seconds, job, caller)
    assert [sorted(batch) for batch in await listening.heard()] == [[3, 4, 5]]
    assert [task.result().language for task in listening.asked] == ["3 s", "5 s", "4 s"]


@pytest.mark.parametrize("limits", [BatchLimits(pieces=3, seconds=2)])
async def test_a_batch_is_bounded_in_pieces_and_in_how_long_it_takes(listening: Listening) -> None:
    listening.engine.speed = 30
    await listening.busy()
    for _ in range(4):
        await listening.ask(1)
    for _ in range(3):
        await listening.ask(29)
    assert await listening.heard() == [[1, 1, 1], [1, 29, 29], [29]]


async def test_a_piece_that_takes_longer_than_a_batch_may_is_heard_by_itself(listening: Listening) -> None:
    listening.engine.speed = 0.1
    await listening.busy()
    for _ in range(2):
        await listening.ask(30)
    assert await listening.heard() == [[30], [30]]


@ONE_BY_ONE
async def test_live_sound_goes_first(listening: Listening) -> None:
    await listening.busy()
    await listening.ask(30, "talk")
    await listening.ask(2, "microphone", "bob", live=True)
    await listening.heard()
    assert listening.order == [2, 30]


async def test_live_sound_does_not_wait_for_other_sound_in_its_batch(listening: Listening) -> None:
    await listening.busy()
    await listening.ask(30, "talk")
    await listening.ask(2, "microphone", live=True)
    assert await listening.heard() == [[2], [30]]


async def test_while_somebody_speaks_live_other_batches_are_kept_short(listening: Listening) -> None:
    engine = listening.engine
    engine.speed = 40
    engine.let()
    await (await listening.ask(10, live=True))
    engine.batches.clear()
    await listening.busy()
    for _ in range(6):
        await listening.ask(10)
    assert await listening.heard() == [[10] * 4, [10] * 2]

    engine.now += 60
    engine.batches.clear()
    await listening.busy()
    for _ in range(6):
        await listening.ask(10)
    assert await listening.heard() == [[10] * 6]


@ONE_BY_ONE
async def test_callers_have_equal_shares_however_much_they_ask(listening: Listening) -> None:
    await listening.busy()
    for _ in range(4):
        await listening.ask(10, "talk", "ann")
    for _ in range(2):
        await listening.ask(11, "call", "bob")
    await listening.heard()
    assert listening.order == [10, 11, 10, 11, 10, 10]


@ONE_BY_ONE
async def test_shares_are_of_sound_not_of_pieces(listening: Listening) -> None:
    await listening.busy()
    for _ in range(2):
        await listening.ask(30, "talk", "ann")
    for _ in range(6):
        await listening.ask(10, "call", "bob")
    await listening.heard()
    assert listening.order == [30, 10, 10, 10, 30, 10, 10, 10]


@ONE_BY_ONE
async def test_who_comes_late_has_no_turns_saved_up(listening: Listening) -> None:
    await listening.busy()
    for _ in range(20):
        await listening.ask(10, "talk", "ann")
    listening.engine.let(11)

    async def half_done() -> bool:
        return len(listening.engine.batches) == 12

    await eventually(half_done)
    for _ in range(3):
        await listening.ask(11, "call", "bob")
    await listening.heard()
    late = [at for at, seconds in enumerate(listening.order) if seconds == 11]
    assert late == [11, 13, 15]


@ONE_BY_ONE
async def test_a_short_job_overtakes_a_long_one_of_the_same_caller(listening: Listening) -> None:
    await listening.busy()
    for _ in range(10):
        await listening.ask(30, "book")
    listening.engine.let(3)

    async def begun() -> bool:
        return len(listening.engine.batches) == 4

    await eventually(begun)
    for _ in range(2):
        await listening.ask(5, "note")
    await listening.heard()
    assert listening.order[3:5] == [5, 5]


@ONE_BY_ONE
async def test_a_piece_that_nobody_waits_for_any_more_is_not_heard(listening: Listening) -> None:
    await listening.busy()
    gone = await listening.ask(7)
    await listening.ask(8)
    gone.cancel()
    await listening.heard()
    assert listening.order == [8]


async def test_who_gives_up_while_it_is_heard_takes_nothing_from_the_others(listening: Listening) -> None:
    await listening.busy()
    gone = await listening.ask(7)
    stays = await listening.ask(8)
    listening.engine.let()

    async def heard_now() -> bool:
        return len(listening.engine.batches) == 2

    await eventually(heard_now)
    gone.cancel()
    listening.engine.let()
    assert (await stays).language == "8 s"


async def test_a_bad_piece_fails_only_its_own_job(listening: Listening) -> None:
    await listening.busy()
    good = [await listening.ask(seconds, f"job {seconds}") for seconds in (3, 4)]
    bad = await listening.ask(5, "bad", kind=BAD)
    batches = await listening.heard()
    assert [len(batch) for batch in batches] == [3, 1, 1, 1]
    assert [(await task).language for task in good] == ["3 s", "4 s"]
    with pytest.raises(ValueError, match="what is this"):
        await bad


async def test_a_bad_piece_alone_is_not_tried_again(listening: Listening) -> None:
    listening.engine.let(100)
    with pytest.raises(ValueError, match="what is this"):
        await (await listening.ask(5, kind=BAD))
    assert listening.engine.batches == [[5]]


@pytest.mark.parametrize("others", [0, 2])
async def test_after_the_engine_was_lost_each_piece_is_tried_once_more_alone(
    listening: Listening, others: int
) -> None:
    listening.engine.losses = 1
    await listening.busy()
    asked = [await listening.ask(3) for _ in range(others)]
    asked.append(await listening.ask(9, kind=FATAL))
    batches = await listening.heard()
    assert [len(batch) for batch in batches] == [others + 1, *[1] * (others + 1)]
    assert [(await task).language for task in asked] == ["3 s"] * others + ["9 s"]
    assert listening.engine.loads == 2


async def test_a_piece_that_loses_the_engine_twice_is_given_up(listening: Listening) -> None:
    listening.engine.losses = 9
    listening.engine.let(100)
    fatal = await listening.ask(9, kind=FATAL)
    with pytest.raises(EngineLost):
        await fatal
    assert (await (await listening.ask(3))).language == "3 s"


@pytest.mark.parametrize(
    ("error", "later"), [(OSError("no weights"), LoadFailed), (EngineLost("killed"), EngineLost)]
)
async def test_all_who_wait_are_told_that_the_model_cannot_be_loaded(
    listening: Listening, error: Exception, later: type[Exception]
) -> None:
    listening.engine.load_error = error
    asked = [await listening.ask(3), await listening.ask(4)]
    assert await asyncio.gather(*asked, return_exceptions=True) == [error, error]
    with pytest.raises(later):
        await (await listening.ask(3))


async def test_the_model_is_not_unloaded_while_pieces_wait(listening: Listening) -> None:
    await listening.busy()
    waiting = await listening.ask(3)
    with pytest.raises(EngineInUse):
        await listening.slot.unload()
    await listening.heard()
    assert (await waiting).language == "3 s"
    await listening.slot.unload()
    assert not listening.slot.loaded


async def test_options_are_checked_by_the_loaded_model(listening: Listening) -> None:
    await listening.batcher.check(Options())
    with pytest.raises(UnknownLanguage):
        await listening.batcher.check(Options(language="xx"))


async def test_who_waits_at_the_end_is_told(listening: Listening) -> None:
    await listening.busy()
    waiting = await listening.ask(3)
    await listening.batcher.close()
    with pytest.raises(EngineLost, match="ending"):
        await waiting


async def test_it_knows_what_it_works_for(listening: Listening) -> None:
    metrics = open_metrics()
    listening.batcher.tell(metrics)
    await listening.busy()
    for job in ("talk", "call"):
        await listening.ask(3, job)
    value, labels = metrics.registry.get_sample_value, {"model": "gated"}
    assert (listening.batcher.jobs, listening.batcher.waiting) == (3, 2)
    assert value("stentor_pieces_waiting", labels) == 2
    await listening.heard()
    assert (listening.batcher.jobs, value("stentor_pieces_waiting", labels)) == (0, 0)
    assert value("stentor_batch_pieces_sum", labels) == 3
    assert value("stentor_batch_pieces_count", labels) == 2


def _same(engine: Gated) -> Gated:
    return engine


async def test_one_model_after_the_other_has_its_turn_where_only_one_fits() -> None:
    room: EngineRoom[Engine] = EngineRoom(10)
    engines = [Gated(), Gated()]
    batchers: list[Batcher] = []
    for engine in engines:
        slot = room.add(f"model {len(batchers)}", partial(_same, engine), Care(estimate=lambda: 6))
        batchers.append(Batcher(slot, BatchLimits(pieces=1)))
    piece = Piece(np.ones(SAMPLE_RATE, np.float32), Options())
    for engine in engines:
        engine.let(100)
    asked = [batcher.hear(piece, job="job", caller="ann") for _ in range(10) for batcher in batchers]
    assert {heard.language for heard in await asyncio.gather(*asked)} == {"1 s"}
    for batcher in batchers:
        await batcher.close()


def test_the_line_forgets_who_left() -> None:
    line: Line[Place] = Line()
    gone = Place("ann", "talk", 30)
    line.join(gone)
    line.join(Place("bob", "call", 30))
    line.leave(gone)
    assert [place.caller for place in line.take(8, 240)] == ["bob"]
    line.leave(gone)
    assert len(line) == 0
