"""Single steps of a job in the embedded form, in milliseconds."""

import asyncio
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvloop
from servers import short_sound

from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.repository import JobRepository, NewJob
from stentor_common.jobs.table import JobState
from stentor_common.jobs.watch import read
from stentor_common.migrate import upgrade
from stentor_common.queue import Message
from stentor_common.runtime import Runtime, open_runtime
from stentor_common.settings import Settings
from stentor_stt.audio import Decoder, Detector, Plan
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.scripted import Script, ScriptedEngine
from stentor_stt.options import Options
from stentor_stt.recognition import Recognition

TIMES = 300
LEASE = timedelta(seconds=15)


def parts() -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_measure(Path(folder)))


async def _measure(folder: Path) -> dict[str, Any]:
    engine = ScriptedEngine(EngineSettings("scripted", folder), Script(("hello there",)))
    engine.load()
    decoder, sound = Decoder(), short_sound(folder / "short.wav")

    async def hear(piece: Piece) -> Heard:
        return engine.hear([piece])[0]

    def recognised(detector: Detector) -> Callable[[], Awaitable[Any]]:
        recognition = Recognition(hear, Options(), Plan(detector=detector))
        return lambda: recognition.transcript(decoder, sound)

    async with open_runtime(Settings(data_dir=folder / "data")) as runtime:
        await upgrade(runtime.db.engine)
        steps = _Steps(runtime)
        found = {
            "insert": await _ms(steps.insert),
            "claim": await _ms(steps.claim),
            "finish": await _ms(steps.finish),
            "read": await _ms(steps.read),
            "publish": await _ms(steps.publish),
            "recognise_with_no_model": await _ms(recognised(Detector.SOUND)),
            "recognise_with_no_model_but_looking_for_speech": await _ms(recognised(Detector.SPEECH)),
        }
    await decoder.close()
    return found


class _Steps:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._made: list[uuid.UUID] = []
        self._leases: list[Lease] = []

    async def insert(self) -> None:
        new = NewJob("bench", "bench", {"audio": "x" * 200}, timedelta(hours=1), uuid.uuid4())
        async with self._runtime.begin() as work:
            await JobRepository(work.session).add(new, owner_id=None, now=self._runtime.clock.now())
        self._made.append(new.id)

    async def claim(self) -> None:
        job_id = self._made[len(self._leases)]
        async with self._runtime.begin() as work:
            lease = await LeaseRepository(work.session).take(job_id, self._runtime.clock.now(), LEASE)
        assert lease is not None
        self._leases.append(lease)

    async def finish(self) -> None:
        outcome = Outcome(JobState.completed, result={"text": "x" * 200})
        async with self._runtime.begin() as work:
            lease = self._leases.pop()
            await LeaseRepository(work.session).finish(lease, outcome, self._runtime.clock.now())

    async def read(self) -> None:
        await read(self._runtime, self._made[0])

    async def publish(self) -> None:
        await self._runtime.queue.publish(Message("bench", "bench", self._made[0]))


async def _ms(act: Callable[[], Awaitable[Any]]) -> float:
    started = time.perf_counter()
    for _ in range(TIMES):
        await act()
    return round((time.perf_counter() - started) / TIMES * 1000, 3)
