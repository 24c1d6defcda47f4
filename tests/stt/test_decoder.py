"""The process that decodes: what it may do, what becomes of it, and what its end says about a recording."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from stentor_common.testing import eventually
from stentor_stt.audio import SAMPLE_RATE, Decoder, Detector, Plan, Recording
from stentor_stt.decoder.wire import MOST_SAMPLES, piece_head, piece_parts
from stentor_stt.errors import AudioUnreadable, DecoderLost

EVERYTHING = Plan(detector=Detector.NONE)
HOUR = 3600

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells about other processes")


@pytest.fixture
async def own() -> AsyncIterator[Decoder]:
    """A decoder whose processes may be killed."""
    made = Decoder()
    yield made
    await made.close()


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """An hour of loud sound."""
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        for _ in range(60):
            file.writeframes(b"\x00\x40" * SAMPLE_RATE * 60)
    return path


@pytest.fixture
def short(tmp_path: Path) -> Path:
    path = tmp_path / "short.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(b"\x00\x40" * SAMPLE_RATE)
    return path


def server_of(before: set[int]) -> psutil.Process:
    """The fork server that was started since then."""
    (found,) = [each for each in psutil.Process().children() if each.pid not in before]
    return found


def limits_of(process: psutil.Process) -> dict[str, tuple[int, int]]:
    """Soft and hard limits by the names that Linux gives them; those that do not limit are left out."""
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()[1:]
    fields = {line[:26].strip(): line[26:].split() for line in lines}
    return {
        name: (int(soft), int(hard))
        for name, (soft, hard, *_) in fields.items()
        if "unlimited" not in (soft, hard)
    }


@contextlib.asynccontextmanager
async def decoding(decoder: Decoder, path: Path) -> AsyncIterator[tuple[psutil.Process, psutil.Process]]:
    """The server, and its process for a recording of which one piece was taken."""
    before = {each.pid for each in psutil.Process().children()}
    async with decoder.open(path, EVERYTHING) as recording:
        await anext(recording)
        server = server_of(before)
        (child,) = server.children()
        yield server, child


async def gone(process: psutil.Process) -> None:
    async def look() -> bool:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE

    await eventually(look)


async def rest_of(recording: Recording) -> int:
    """How many samples there are that were not taken yet."""
    return sum([cut.end - cut.start async for cut in recording])


async def length_of(decoder: Decoder, path: Path, plan: Plan = EVERYTHING) -> int:
    async with decoder.open(path, plan) as recording:
        return await rest_of(recording)


# What it may do


@linux
async def test_it_can_open_nothing_write_nothing_and_start_nothing(own: Decoder, long: Path) -> None:
    async with decoding(own, long) as (_, child):
        limits = limits_of(child)
        assert limits["Max open files"] == limits["Max file size"] == (0, 0)
        assert limits["Max processes"] == limits["Max core file size"] == (0, 0)
        assert limits["Max data size"] == (512 * 1024 * 1024,) * 2
        assert max(limits["Max address space"]) < 2 * 1024**3
        assert max(limits["Max cpu time"]) < 2 * HOUR
        assert child.num_threads() == 1
        open_files = [link.readlink() for link in Path(f"/proc/{child.pid}/fd").iterdir()]
        assert len(open_files) == 5
        assert long in open_files


@linux
async def test_it_knows_none_of_our_secrets(
    own: Decoder, long: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STENTOR_AUTH_SIGNING_KEY", "a secret")
    async with decoding(own, long) as (server, child):
        for process in (server, child):
            assert "a secret" not in Path(f"/proc/{process.pid}/environ").read_text()


@linux
@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can become somebody else")
async def test_it_is_not_the_superuser(own: Decoder, long: Path) -> None:
    async with decoding(own, long) as (_, child):
        assert 0 not in child.uids()
        assert 0 not in child.gids()


@linux
async def test_a_recording_that_needs_too_much_memory_is_refused(decoder: Decoder, long: Path) -> None:
    with pytest.raises(AudioUnreadable):
        await length_of(decoder, long, Plan(detector=Detector.NONE, memory_mib=16))


@linux
async def test_it_decodes_no_further_than_it_is_read(own: Decoder, long: Path) -> None:
    async with decoding(own, long) as (_, child):

        async def waits() -> bool:
            return child.status() == psutil.STATUS_SLEEPING

        await eventually(waits)
        (place,) = [
            Path(f"/proc/{child.pid}/fdinfo/{link.name}")
            for link in Path(f"/proc/{child.pid}/fd").iterdir()
            if link.readlink() == long
        ]
        read_bytes = int(place.read_text().split()[1])
        assert 30 < read_bytes / 2 / SAMPLE_RATE < 120


def test_who_has_recordings_decoded_loads_no_decoder() -> None:
    heavy = "{'av', 'faster_whisper', 'ctranslate2', 'onnxruntime'}"
    program = (
        "import sys, stentor_stt.jobs, stentor_stt.recognition;"
        f"print(sorted(set(sys.modules) & {heavy}), 'stentor_stt.decoder.reading' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["[]", "False"]


def test_who_only_takes_recordings_has_not_even_numpy() -> None:
    program = "import sys, stentor_stt.jobs, stentor_stt.audio; print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


# What becomes of it


async def test_it_ends_with_the_reading(own: Decoder, long: Path) -> None:
    async with decoding(own, long) as (server, child):
        pass
    await gone(child)
    assert server.is_running()


async def test_it_ends_with_a_job_that_is_cancelled(own: Decoder, long: Path) -> None:
    async with decoding(own, long) as (server, first):
        job = asyncio.create_task(length_of(own, long))

        async def second() -> psutil.Process | None:
            return next((each for each in server.children() if each != first), None)

        child = await eventually(second)
        assert child
        job.cancel()
        await gone(child)


async def test_closing_ends_all_processes(long: Path) -> None:
    own = Decoder()
    async with decoding(own, long) as (server, child):
        await own.close()
        await gone(child)
        await gone(server)


@pytest.mark.live
async def test_it_ends_when_we_are_killed(long: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from stentor_stt.audio import Decoder, Detector, Plan\n"
        "async def main():\n"
        "    async with Decoder().open(Path(sys.argv[1]), Plan(detector=Detector.NONE)) as recording:\n"
        "        await anext(recording)\n"
        "        print('reading', flush=True)\n"
        "        await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(long)), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout
    assert await parent.stdout.readline()
    family = psutil.Process(parent.pid).children(recursive=True)
    assert len(family) == 2
    parent.kill()
    await parent.wait()
    for process in family:
        await gone(process)


# What its end says


async def test_a_recording_that_crashes_it_is_unreadable_and_nothing_else_is(
    own: Decoder, long: Path, short: Path
) -> None:
    async with decoding(own, long) as (server, child):
        children = set(server.children())
        async with own.open(long, EVERYTHING) as recording:
            await anext(recording)
            (other,) = set(server.children()) - children
            other.send_signal(signal.SIGSEGV)
            with pytest.raises(AudioUnreadable, match="could not be read"):
                await rest_of(recording)
        assert child.is_running()
    assert await length_of(own, short) == SAMPLE_RATE


async def test_one_that_stands_still_is_given_up(long: Path) -> None:
    own = Decoder(stall_seconds=2)
    before = {each.pid for each in psutil.Process().children()}
    async with own.open(long, EVERYTHING) as recording:
        await anext(recording)
        (child,) = server_of(before).children()
        child.suspend()
        with pytest.raises(AudioUnreadable, match="stood still"):
            await rest_of(recording)
    await gone(child)
    await own.close()


async def test_a_server_that_was_killed_is_no_fault_of_the_recording(
    own: Decoder, long: Path, short: Path
) -> None:
    before = {each.pid for each in psutil.Process().children()}
    async with own.open(long, EVERYTHING) as recording:
        await anext(recording)
        server = server_of(before)
        for process in (*server.children(), server):
            process.kill()
        with pytest.raises(DecoderLost):
            await rest_of(recording)
    assert await length_of(own, short) == SAMPLE_RATE


async def test_many_recordings_are_decoded_side_by_side(decoder: Decoder, short: Path) -> None:
    lengths = await asyncio.gather(*(length_of(decoder, short) for _ in range(20)))
    assert lengths == [SAMPLE_RATE] * 20


# What it may answer


def test_a_piece_says_where_speech_is() -> None:
    sound = np.arange(10, dtype=np.float32)
    head = piece_head(3, 100, len(sound), [(101, 104), (106, 109)])
    body = (head + sound.tobytes())[-(4 + 4 * 8 + 40) :]
    speech, pcm = piece_parts(body)
    assert speech == ((101, 104), (106, 109))
    assert np.array_equal(np.frombuffer(pcm, np.float32), sound)


TOO_LONG = bytes(4 * MOST_SAMPLES + 8)
NOT_WHOLE = bytes(4 + 3)
SPANS_MISSING = b"\x00\x00\x00\x01" + bytes(15)


@pytest.mark.parametrize("body", [b"", b"\x00\x00", b"\xff\xff\xff\xff", SPANS_MISSING, NOT_WHOLE, TOO_LONG])
def test_what_is_no_piece_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        piece_parts(body)
