"""Who speaks: the models of this process, or those of a worker that is asked; both say the same."""

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
from stentor_tts import speaking_wire
from stentor_tts.engines import CannotSay, Engine, EngineSettings, Spoken, Utterance
from stentor_tts.engines.scripted import Script, ScriptedEngine
from stentor_tts.serving import batchers
from stentor_tts.speaking import LocalSpeaker, Mouths, RemoteSpeaker, Speaker, get_speaker, live_queue
from stentor_tts.voices import voice_of

MODEL = "scripted:any"
VOICE = voice_of("scripted:any#high")
HELLO, BYE = Utterance("Hello there.", "high", rate=1.5), Utterance("Bye.", "low", language="es")


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(EngineSettings("any", Path("unused")), Script(cannot_say=("hm",)))


@pytest.fixture
def room(engine: ScriptedEngine) -> EngineRoom[Engine]:
    made: EngineRoom[Engine] = EngineRoom()
    made.add(MODEL, lambda: engine, Care())
    return made


@pytest.fixture
async def local(room: EngineRoom[Engine]) -> AsyncIterator[LocalSpeaker]:
    speaker = LocalSpeaker(batchers(room))
    yield speaker
    await speaker.close()


@asynccontextmanager
async def worker(queue: MemoryQueue, local: LocalSpeaker) -> AsyncIterator[None]:
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
async def speaker(request: pytest.FixtureRequest, local: LocalSpeaker) -> AsyncIterator[Speaker]:
    if request.param == "here":
        yield local
        return
    queue = MemoryQueue()
    async with worker(queue, local):
        yield RemoteSpeaker(queue)


async def test_it_says_what_the_engine_says(speaker: Speaker, engine: ScriptedEngine) -> None:
    spoken = await speaker.say(VOICE, [HELLO, BYE], job="letter", caller="ann", live=True)
    assert engine.asked == [HELLO, BYE]
    for found, wanted in zip(spoken, engine.say([HELLO, BYE]), strict=True):
        assert (found.sample_rate, found.words) == (wanted.sample_rate, wanted.words)
        # As fine as 16 bits.
        assert np.abs(found.samples - wanted.samples).max() < 2**-15
        assert found.samples.dtype == np.float32


async def test_what_cannot_be_said_is_told_to_the_caller(speaker: Speaker) -> None:
    with pytest.raises(CannotSay, match="'hm'") as raised:
        await speaker.say(VOICE, [replace(HELLO, text="hm")], job="letter", caller="ann")
    assert (raised.value.status, raised.value.code) == (400, "cannot_say")


async def test_one_sentence_that_fails_takes_the_others_with_it(speaker: Speaker) -> None:
    with pytest.raises(CannotSay):
        await speaker.say(VOICE, [HELLO, replace(HELLO, text="hm")], job="letter", caller="ann")


async def test_a_voice_whose_model_is_not_here_is_answered_with_those_that_are(local: LocalSpeaker) -> None:
    with pytest.raises(UnknownModel, match=f"served are {MODEL}"):
        await local.say(voice_of("heart"), [HELLO], job="letter", caller="ann")


async def test_without_a_worker_there_is_no_answer() -> None:
    with pytest.raises(NoAnswer):
        await RemoteSpeaker(MemoryQueue()).say(VOICE, [HELLO], job="letter", caller="ann")


async def test_a_defect_of_the_worker_is_told_without_its_details(local: LocalSpeaker) -> None:
    queue = MemoryQueue()
    async with worker(queue, local):
        with pytest.raises(NoAnswer, match="went wrong"):
            await queue.ask(live_queue(MODEL), b"hello", 5)


class Strange(AppError):
    status, code = 418, "strange"


class Refuses(LocalSpeaker):
    def __init__(self, error: AppError) -> None:
        super().__init__({})
        self._error = error

    async def say_with(self, *_: object, **__: object) -> list[Spoken]:
        raise self._error


@pytest.mark.parametrize("error", [EngineLost("killed"), Strange("what", param="it", headers={"X-Y": "z"})])
async def test_errors_cross_with_all_that_callers_see(error: AppError) -> None:
    question = speaking_wire.question([HELLO], job="letter", caller="ann", live=False)
    answer = await speaking_wire.answer(Refuses(error), MODEL, question)
    with pytest.raises(AppError, match=error.message) as raised:
        speaking_wire.spoken_in(answer)
    found = raised.value
    for name in ("status", "code", "retryable", "message", "param", "headers"):
        assert getattr(found, name) == getattr(error, name)
    assert isinstance(found, EngineLost) == isinstance(error, EngineLost)


async def test_a_process_asks_others_unless_it_holds_the_models(
    runtime: Runtime, local: LocalSpeaker, room: EngineRoom[Engine]
) -> None:
    mouths = Mouths(local, room)
    assert await get_speaker(mouths, runtime) is local
    beside = replace(runtime, settings=runtime.settings.model_copy(update={"queue_url": "amqp://broker"}))
    assert isinstance(await get_speaker(mouths, beside), RemoteSpeaker)
    room.at_work = True
    assert await get_speaker(mouths, beside) is local
