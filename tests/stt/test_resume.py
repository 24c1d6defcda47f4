"""A transcription that was interrupted goes on where it was; until then others can read what is finished."""

import asyncio
import uuid
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from stentor_common.clock import ManualClock
from stentor_common.jobs.leases import LeaseRepository
from stentor_common.jobs.run import JobRun, JobStopped, StopReason
from stentor_common.runtime import Runtime
from stentor_common.testing import eventually
from stentor_stt.audio import SAMPLE_RATE, Decoder
from stentor_stt.engines import Heard, Piece
from stentor_stt.jobs import TranscribeHandler
from stentor_stt.options import Options
from stentor_stt.pieces import PieceRepository, StoredPiece
from stentor_stt.settings import SttSettings
from stentor_stt.transcript import Segment
from stentor_stt.voices.scripted import ToneEncoder

LEASE = timedelta(seconds=15)


class Ears:
    """Hears how long pieces are, and may be slow to do so."""

    def __init__(self, *, deaf_to: tuple[int, ...] = ()) -> None:
        self.heard: list[int] = []
        self.told: set[tuple[str, str]] = set()
        self.given_up = 0
        self._deaf_to = deaf_to

    async def check(self, model: str, options: Options) -> None: ...

    async def hear(self, model: str, piece: Piece, *, job: str, caller: str, live: bool = False) -> Heard:
        self.told.add((job, caller))
        length = round(len(piece.sound) / SAMPLE_RATE)
        if length in self._deaf_to:
            try:
                await asyncio.Event().wait()
            finally:
                self.given_up += 1
        self.heard.append(length)
        segment = Segment(0, 1_000, f"{length} seconds.", (), -0.1, 0.0, 1.0, 0.0)
        return Heard("en", 1.0, (segment,))


@pytest.fixture
def parts() -> tuple[int, ...]:
    """Seconds of sound, with three seconds of silence after each."""
    return (1, 2, 3, 4, 5)


@pytest.fixture
def recording(tmp_path: Path, parts: tuple[int, ...]) -> Path:
    path = tmp_path / "parts.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        for seconds in parts:
            file.writeframes(b"\x00\x40" * SAMPLE_RATE * seconds + bytes(2 * 3 * SAMPLE_RATE))
    return path


@pytest.fixture
async def job_id(api: httpx2.AsyncClient, recording: Path) -> uuid.UUID:
    """Of a job that waits."""
    files = {"file": ("parts.wav", recording.read_bytes())}
    answer = await api.post("/v1/transcriptions", files=files)
    assert answer.status_code == 202, answer.text
    return uuid.UUID(answer.json()["id"])


MakeHandler = Callable[[Ears], TranscribeHandler]
Take = Callable[[], Awaitable[JobRun]]


@pytest.fixture
def handler(scripted: SttSettings, decoder: Decoder) -> MakeHandler:
    short = scripted.model_copy(update={"piece_seconds": 6})
    return lambda ears: TranscribeHandler(short, ears, decoder, lambda: ToneEncoder(Path()))


@pytest.fixture
def take(runtime: Runtime, job_id: uuid.UUID) -> Take:
    """Take the job, as a worker does when it waits or its worker fell silent."""
    return lambda: taken(runtime, job_id)


async def taken(runtime: Runtime, job_id: uuid.UUID) -> JobRun:
    async with runtime.begin() as work:
        lease = await LeaseRepository(work.session).take(job_id, runtime.clock.now(), LEASE)
    assert lease
    return JobRun(lease)


@asynccontextmanager
async def working(
    handler: TranscribeHandler, runtime: Runtime, run: JobRun
) -> AsyncIterator["asyncio.Task[dict[str, Any]]"]:
    task = asyncio.create_task(handler(runtime, run))
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await handler.close()


async def stored(runtime: Runtime, run: JobRun) -> list[StoredPiece]:
    async with runtime.db.reading() as session:
        return await PieceRepository(session).all(run.id)


async def finished(runtime: Runtime, run: JobRun) -> str:
    async with runtime.db.reading() as session:
        pieces = await PieceRepository(session).finished(run.id)
    return " ".join(segment.text for piece in pieces for segment in piece.segments)


async def test_only_what_is_missing_is_heard_again(
    runtime: Runtime, clock: ManualClock, handler: MakeHandler, take: Take
) -> None:
    first, second = Ears(deaf_to=(4, 6)), Ears()
    run = await take()

    async def three() -> bool:
        return len(await stored(runtime, run)) == 3

    async with working(handler(first), runtime, run):
        await eventually(three)
    clock.advance(seconds=40)
    async with working(handler(second), runtime, await take()) as again:
        result = await again

    assert sorted(first.heard) == [1, 3, 5]
    assert sorted(second.heard) == [4, 6]
    assert result["transcript"]["text"] == "1 seconds. 3 seconds. 4 seconds. 5 seconds. 6 seconds."
    starts = [segment["start_ms"] for segment in result["transcript"]["segments"]]
    assert starts == pytest.approx([0, 3_700, 8_700, 14_700, 21_700], abs=40)


async def test_a_job_that_was_handed_back_goes_on_too(
    runtime: Runtime, handler: MakeHandler, take: Take
) -> None:
    first, second = Ears(deaf_to=(6,)), Ears()
    run = await take()

    async def four() -> bool:
        return len(await stored(runtime, run)) == 4

    async with working(handler(first), runtime, run) as interrupted:
        await eventually(four)
        run.stop(StopReason.shutdown)
        with pytest.raises(JobStopped):
            await interrupted
    async with runtime.begin() as work:
        await LeaseRepository(work.session).hand_back(run.lease, runtime.clock.now())
    async with working(handler(second), runtime, await take()) as again:
        await again

    assert second.heard == [6]


async def test_what_is_finished_can_be_read_in_order_while_the_job_runs(
    runtime: Runtime, handler: MakeHandler, take: Take
) -> None:
    run = await take()
    with runtime.signals.subscribe(run.id) as told:
        async with working(handler(Ears(deaf_to=(4,))), runtime, run):

            async def four() -> bool:
                await told.wait(5)
                return len(await stored(runtime, run)) == 4

            await eventually(four)
            assert await finished(runtime, run) == "1 seconds. 3 seconds."


async def test_a_stopped_job_gives_up_what_waits(runtime: Runtime, handler: MakeHandler, take: Take) -> None:
    ears = Ears(deaf_to=(3, 4, 5, 6))
    run = await take()

    async with working(handler(ears), runtime, run) as stopped:

        async def heard() -> bool:
            return ears.heard == [1]

        await eventually(heard)
        run.stop(StopReason.taken)
        with pytest.raises(JobStopped):
            await stopped

    assert ears.given_up >= 1


@pytest.mark.parametrize("parts", [(2,)])
async def test_a_recording_of_one_piece_is_not_stored(
    runtime: Runtime, handler: MakeHandler, take: Take
) -> None:
    run = await take()

    async with working(handler(Ears()), runtime, run) as whole:
        assert (await whole)["transcript"]["text"] == "2 seconds."

    assert await stored(runtime, run) == []


async def test_who_called_is_told_to_who_hears(
    runtime: Runtime, handler: MakeHandler, take: Take, job_id: uuid.UUID
) -> None:
    ears = Ears()
    async with working(handler(ears), runtime, await take()) as whole:
        await whole

    assert ears.told == {(str(job_id), "")}


@pytest.mark.parametrize("changed_stt_settings", [{"fetch_allowed": ["127.0.0.0/8"]}])
async def test_a_job_that_is_stopped_while_its_recording_is_fetched_ends_too(
    runtime: Runtime, api: httpx2.AsyncClient, handler: MakeHandler
) -> None:
    asked, hung_up = asyncio.Event(), asyncio.Event()

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        hung_up.set()
        writer.close()

    async with await asyncio.start_server(never_answer, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        answer = await api.post("/v1/transcriptions", json={"audio_url": f"http://127.0.0.1:{port}/a.wav"})
        run = await taken(runtime, uuid.UUID(answer.json()["id"]))
        async with working(handler(Ears()), runtime, run) as stopped:
            await asked.wait()
            run.stop(StopReason.taken)
            with pytest.raises(JobStopped):
                await stopped
            await hung_up.wait()


@pytest.mark.parametrize("parts", [(6,) * 100])
async def test_a_job_that_is_stopped_while_its_recording_is_decoded_ends_too(
    runtime: Runtime, handler: MakeHandler, take: Take
) -> None:
    run = await take()
    async with working(handler(Ears()), runtime, run) as stopped:

        async def decoding() -> psutil.Process | None:
            found = (child for server in psutil.Process().children() for child in server.children())
            return next(found, None)

        child = await eventually(decoding)
        assert child
        child.suspend()
        run.stop(StopReason.taken)
        with pytest.raises(JobStopped):
            await stopped

        async def gone() -> bool:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

        await eventually(gone)
