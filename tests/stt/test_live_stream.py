"""A live session between a client and a model: who waits for whom, and what happens when one is gone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from stentor_common.errors import BadInput, Unavailable
from stentor_stt.engines import Heard, Piece
from stentor_stt.live.events import Event, Failed, Final
from stentor_stt.live.session import LONGEST
from stentor_stt.live.stream import LiveStream
from stentor_stt.live.wanted import Format, Turns, Wanted
from stentor_stt.options import Options
from stentor_stt.transcript import Segment, Word

MS = 16
WORD_MS = 250
BY_COMMIT = Turns(by_pause=False)


@dataclass
class Model:
    """A Hearer that hears a numbered word in each quarter of a second, once a test lets it."""

    failures: list[Exception] = field(default_factory=list)
    """Raised by the first calls, in order."""
    free: asyncio.Event = field(default_factory=asyncio.Event)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    at_once: int = 0
    cancelled: int = 0

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        assert (model, job, caller, live) == ("whisper-base", "session", "somebody", True)
        assert piece.find_speech
        assert self.at_once == 0
        self.called.set()
        if self.failures:
            raise self.failures.pop(0)
        self.at_once += 1
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_once -= 1
        return _heard(len(piece.sound) // MS)

    async def check(self, model: str, options: Options) -> None: ...


def _heard(length_ms: int) -> Heard:
    starts = range(0, length_ms - WORD_MS + 1, WORD_MS)
    words = tuple(Word(f"word{at // WORD_MS}", at, at + WORD_MS, 0.9) for at in starts)
    segment = Segment(0, length_ms, " ".join(word.text for word in words), words, -0.1, 0.0, 1.0, 0.0)
    return Heard("en", 0.9, (segment,), ((0, length_ms),))


def speech(ms: int) -> bytes:
    return (3000 * np.random.default_rng(1).standard_normal(ms * MS)).astype("<i2").tobytes()


@dataclass
class Told:
    events: list[Event] = field(default_factory=list)
    fails: bool = False

    async def __call__(self, event: Event) -> None:
        if self.fails:
            raise ConnectionError("the client is gone")
        self.events.append(event)


Open = Callable[[Model, Told], LiveStream]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def opened() -> Open:
    def stream(model: Model, told: Told) -> LiveStream:
        wanted = Wanted("whisper-base", turns=BY_COMMIT)
        return LiveStream(model, wanted, told, id="session", caller="somebody", retry_seconds=(0, 0))

    return stream


async def test_a_commit_returns_when_the_text_was_told(model: Model, opened: Open) -> None:
    told = Told()
    model.free.set()
    async with opened(model, told).running() as stream:
        await stream.send(speech(750))
        await stream.commit()
        assert isinstance(told.events[-1], Final)
        assert told.events[-1].text == "word0 word1 word2"
        assert stream.uncommitted_ms == 0


async def test_who_sends_faster_than_it_is_heard_has_to_wait(model: Model, opened: Open) -> None:
    async with opened(model, Told()).running() as stream:
        sending = asyncio.create_task(stream.send(speech(60_000)))
        await model.called.wait()
        done, _ = await asyncio.wait([sending], timeout=0.05)
        assert not done
        assert stream.taken_ms == LONGEST // MS
        model.free.set()
        await sending
        assert stream.taken_ms == 60_000


async def test_when_the_client_goes_the_model_stops(model: Model, opened: Open) -> None:
    async with opened(model, Told()).running() as stream:
        await stream.send(speech(1000))
        await model.called.wait()
    assert model.cancelled == 1
    assert model.at_once == 0


async def test_a_client_that_cannot_be_told_ends_the_stream(model: Model, opened: Open) -> None:
    model.free.set()
    async with opened(model, Told(fails=True)).running() as stream:
        await stream.send(speech(1000))
        with pytest.raises(ConnectionError):
            await stream.commit()


async def test_a_model_that_is_away_for_a_moment_costs_nothing(model: Model, opened: Open) -> None:
    told = Told()
    model.failures += [Unavailable("the worker restarts"), Unavailable("the worker restarts")]
    model.free.set()
    async with opened(model, told).running() as stream:
        await stream.send(speech(750))
        await stream.finish()
    assert [event.text for event in told.events if isinstance(event, Final)] == ["word0 word1 word2"]


@pytest.mark.parametrize(
    ("failures", "message"),
    [
        ([Unavailable("nobody answers")] * 3, "nobody answers"),
        ([BadInput("no such language")], "no such language"),
        ([RuntimeError("a secret")], "something went wrong on our side; the log knows it as session session"),
    ],
)
async def test_a_turn_fails_with_a_reason(
    model: Model, opened: Open, failures: list[Exception], message: str
) -> None:
    told = Told()
    model.failures += failures
    model.free.set()
    async with opened(model, told).running() as stream:
        await stream.send(speech(600))
        await stream.finish()
    (failed,) = [event for event in told.events if isinstance(event, Failed)]
    assert failed.error.message == message


async def test_half_a_sample_is_refused(model: Model, opened: Open) -> None:
    async with opened(model, Told()).running() as stream:
        with pytest.raises(BadInput, match="even number of bytes"):
            await stream.send(b"\0\0\0")


async def test_another_format_can_be_chosen_on_the_way(model: Model, opened: Open) -> None:
    async with opened(model, Told()).running() as stream:
        stream.configure(Wanted("whisper-base", turns=BY_COMMIT, format=Format(rate=8000)))
        await stream.send(b"\0" * 16_000)
        await stream.finish()
        assert stream.taken_ms == 1000
