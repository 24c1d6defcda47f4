"""Who hears: the models of this process, or those of a worker that is asked; both say the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stentor_common.catalog import UnknownModel
from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care, EngineLost
from stentor_common.errors import AppError
from stentor_common.queue import NoAnswer
from stentor_common.queue.memory import MemoryQueue
from stentor_common.runtime import Runtime
from stentor_stt import hearing_wire
from stentor_stt.audio import Sound
from stentor_stt.batching import Batcher, Hearer
from stentor_stt.engines import Engine, EngineSettings, Heard, Piece
from stentor_stt.engines.scripted import Script, ScriptedEngine
from stentor_stt.errors import UnknownLanguage
from stentor_stt.hearing import Ears, LocalHearer, RemoteHearer, get_hearer, live_queue
from stentor_stt.options import Hotword, Options, Task

MODEL = "scripted"
RANDOM = np.random.default_rng(0)
SOUND: Sound = RANDOM.uniform(-1, 1, 32_000).astype(np.float32)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(EngineSettings(MODEL, Path("unused")), Script(("Hello world.", "How are you?")))


@pytest.fixture
def room(engine: ScriptedEngine) -> EngineRoom[Engine]:
    made: EngineRoom[Engine] = EngineRoom()
    made.add(MODEL, lambda: engine, Care())
    return made


@pytest.fixture
async def local(room: EngineRoom[Engine]) -> AsyncIterator[LocalHearer]:
    hearer = LocalHearer({name: Batcher(slot) for name, slot in room.slots.items()})
    yield hearer
    await hearer.close()


@asynccontextmanager
async def worker(queue: MemoryQueue, local: LocalHearer) -> AsyncIterator[None]:
    """Answers while the block lasts."""
    tasks = [
        asyncio.create_task(queue.answer(name, answerer.answer, answerer.at_once))
        for name, answerer in local.answerers().items()
    ]
    await asyncio.sleep(0)
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(params=["here", "there"])
async def hearer(request: pytest.FixtureRequest, local: LocalHearer) -> AsyncIterator[Hearer]:
    if request.param == "here":
        yield local
        return
    queue = MemoryQueue()
    async with worker(queue, local):
        yield RemoteHearer(queue)


async def test_it_says_what_the_engine_says(hearer: Hearer, engine: ScriptedEngine) -> None:
    options = Options(task=Task.TRANSLATE, hotwords=(Hotword("Stentor"),), temperature=0.2)
    piece = Piece(SOUND, options, find_speech=True)
    heard = await hearer.hear(MODEL, piece, job="talk", caller="ann", live=True)
    assert heard == engine.hear([piece])[0]
    assert heard.speech == ((0, 2000),)
    assert engine.asked[0] == options


async def test_silence_says_nothing(hearer: Hearer) -> None:
    piece = Piece(np.zeros(16_000, np.float32), Options())
    assert await hearer.hear(MODEL, piece, job="talk", caller="ann") == Heard(None, None, ())


async def test_options_are_checked_before_there_is_sound(hearer: Hearer) -> None:
    await hearer.check(MODEL, Options(language="fr"))
    with pytest.raises(UnknownLanguage, match="'xx' is not known") as raised:
        await hearer.check(MODEL, Options(language="xx"))
    error = raised.value
    assert (error.status, error.code, error.param) == (400, "unknown_language", "language")


async def test_errors_for_callers_reach_them(hearer: Hearer) -> None:
    with pytest.raises(UnknownLanguage):
        await hearer.hear(MODEL, Piece(SOUND, Options(language="xx")), job="talk", caller="ann")


async def test_a_model_that_is_not_here_is_answered_with_those_that_are(local: LocalHearer) -> None:
    with pytest.raises(UnknownModel, match="served are scripted"):
        await local.check("huge", Options())


async def test_without_a_worker_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        await RemoteHearer(MemoryQueue()).check(MODEL, Options())


async def test_a_defect_of_the_worker_is_told_without_its_details(local: LocalHearer) -> None:
    queue = MemoryQueue()
    async with worker(queue, local):
        with pytest.raises(NoAnswer, match="went wrong"):
            await queue.ask(live_queue(MODEL), b"\x00\x00\x00\x05hello", 5)


class Echo:
    """Keeps what it was given, and raises what it is told to."""

    def __init__(self, error: AppError | None = None) -> None:
        self.error = error
        self.sounds: list[Sound] = []
        self.asked: list[tuple[str, str, bool]] = []

    async def check(self, model: str, options: Options) -> None: ...

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        if self.error:
            raise self.error
        self.sounds.append(piece.sound)
        self.asked.append((job, caller, live))
        return Heard(None, None, ())


def question(sound: Sound) -> bytes:
    return hearing_wire.piece_question(Piece(sound, Options()), job="talk", caller="ann", live=True)


@pytest.mark.parametrize(
    ("sound", "bytes_each"),
    [
        (RANDOM.integers(-32_768, 32_768, 16_000).astype(np.float32) / np.float32(32_768), 2),
        (SOUND, 4),
        (np.array([0, 1, -1, 1.5, -1.5], np.float32), 4),
        (np.array([0, np.nan, np.inf], np.float32), 4),
        (np.zeros(0, np.float32), 2),
    ],
)
async def test_sound_crosses_unchanged_in_few_bytes(sound: Sound, bytes_each: int) -> None:
    echo = Echo()
    text = question(sound)
    await hearing_wire.answer(echo, MODEL, text)
    assert np.array_equal(echo.sounds[0], sound, equal_nan=True)
    assert echo.sounds[0].dtype == np.float32
    assert len(text) - len(question(sound[:0])) == pytest.approx(bytes_each * len(sound), abs=4)
    assert echo.asked == [("talk", "ann", True)]


class Strange(AppError):
    status, code = 418, "strange"


@pytest.mark.parametrize("error", [EngineLost("killed"), Strange("what", param="it", headers={"X-Y": "z"})])
async def test_errors_cross_with_all_that_callers_see(error: AppError) -> None:
    answer = await hearing_wire.answer(Echo(error), MODEL, question(SOUND))
    with pytest.raises(AppError, match=error.message) as raised:
        hearing_wire.heard_in(answer)
    found = raised.value
    for name in ("status", "code", "retryable", "message", "param", "headers"):
        assert getattr(found, name) == getattr(error, name)
    assert isinstance(found, EngineLost) == isinstance(error, EngineLost)


async def test_a_process_asks_others_unless_it_holds_the_models(
    runtime: Runtime, local: LocalHearer, room: EngineRoom[Engine]
) -> None:
    ears = Ears(local, room)
    assert await get_hearer(ears, runtime) is local
    beside = replace(runtime, settings=runtime.settings.model_copy(update={"queue_url": "amqp://broker"}))
    assert isinstance(await get_hearer(ears, beside), RemoteHearer)
    room.at_work = True
    assert await get_hearer(ears, beside) is local
