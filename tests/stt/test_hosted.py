"""An engine in a process of its own: it answers as if it were here, its memory and its end are its own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care, EngineLost, EngineSlot
from stentor_common.hosting import EngineFault
from stentor_common.hosting.process import environment_for_child
from stentor_common.shelf import ModelNotFound
from stentor_common.testing import eventually
from stentor_stt.batching import Batcher
from stentor_stt.engines import Engine, EngineSettings, Piece
from stentor_stt.engines.hosted import HostedEngine
from stentor_stt.engines.scripted import ScriptedEngine
from stentor_stt.errors import UnknownLanguage
from stentor_stt.options import Options

pytestmark = pytest.mark.live

SPEECH = Path(__file__).parents[1] / "speech"
PIECE = Piece(np.ones(32_000, np.float32), Options())
SLOW = {"texts": ["slow"], "seconds_per_audio_second": 60}

PARENT = """
import sys, time
from pathlib import Path
from stentor_stt.engines import EngineSettings
from stentor_stt.engines.hosted import HostedEngine
engine = HostedEngine("scripted", EngineSettings(sys.argv[1], Path()))
engine.load()
print(engine.pid, flush=True)
time.sleep(60)
"""

Host = Callable[..., HostedEngine]


@pytest.fixture
def script(tmp_path: Path) -> Callable[[dict[str, Any]], EngineSettings]:
    def written(fields: dict[str, Any]) -> EngineSettings:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(fields))
        return EngineSettings(str(path), tmp_path)

    return written


@pytest.fixture
def host(script: Callable[[dict[str, Any]], EngineSettings]) -> Iterator[Host]:
    made: list[HostedEngine] = []

    def hosted(**changed: Any) -> HostedEngine:
        fields = {"texts": ["Hello world.", "How are you?"]} | changed
        made.append(HostedEngine("scripted", script(fields)))
        return made[-1]

    yield hosted
    for engine in made:
        engine.unload()


def process_of(engine: HostedEngine) -> psutil.Process:
    assert engine.pid
    return psutil.Process(engine.pid)


def test_it_says_what_the_engine_says(host: Host, script: Callable[[dict[str, Any]], EngineSettings]) -> None:
    hosted = host()
    here = ScriptedEngine(script({"texts": ["Hello world.", "How are you?"]}))
    hosted.load()
    here.load()
    assert hosted.hear([PIECE, PIECE]) == here.hear([PIECE, PIECE])
    assert hosted.languages() == here.languages()
    hosted.check(Options(language="fr"))


def test_its_errors_for_callers_are_the_same_here(host: Host) -> None:
    engine = host()
    engine.load()
    with pytest.raises(UnknownLanguage, match="'xx' is not known") as raised:
        engine.check(Options(language="xx"))
    assert (raised.value.status, raised.value.code, raised.value.param) == (
        400,
        "unknown_language",
        "language",
    )
    assert engine.hear([PIECE])


def test_other_errors_tell_what_they_were_and_where(host: Host) -> None:
    engine = host(fails_after=1)
    engine.load()
    with pytest.raises(EngineFault, match="ScriptedFailure: the script fails at segment 1") as raised:
        engine.hear([PIECE])
    assert "scripted.py" in raised.value.__notes__[0]


def test_a_model_that_is_nowhere_leaves_no_process(tmp_path: Path) -> None:
    engine = HostedEngine("faster-whisper", EngineSettings("/nowhere", tmp_path, offline=True))
    with pytest.raises(ModelNotFound, match="the folder named as model has no"):
        engine.load()
    assert (engine.pid, engine.memory_bytes()) == (None, None)


def test_it_must_be_loaded_first(host: Host) -> None:
    with pytest.raises(RuntimeError, match="load"):
        host().hear([PIECE])


def test_loading_twice_starts_one_process(host: Host) -> None:
    engine = host()
    engine.load()
    pid = engine.pid
    engine.load()
    assert engine.pid == pid


def test_unloading_ends_the_process_and_so_frees_its_memory(host: Host) -> None:
    engine = host()
    engine.load()
    process = process_of(engine)
    assert engine.memory_bytes() == pytest.approx(process.memory_info().rss, rel=0.2)
    engine.unload()
    assert not process.is_running()
    assert engine.memory_bytes() is None
    engine.load()
    assert engine.pid != process.pid
    assert engine.hear([PIECE])


def test_the_process_knows_none_of_our_secrets(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STENTOR_STORE_URL", "s3+http://KEY:SECRET@localhost/bucket")
    engine = host()
    engine.load()
    told = process_of(engine).environ()
    assert "PATH" in told
    assert not [name for name in told if name.startswith("STENTOR_")]


def test_what_its_libraries_read_is_passed_on() -> None:
    ours = {"HF_TOKEN": "t", "CUDA_VISIBLE_DEVICES": "1", "HOME": "/home/me", "GOMP_SPINCOUNT": "7"}
    assert environment_for_child({**ours, "AWS_SECRET_ACCESS_KEY": "s"}) == ours


@pytest.mark.parametrize(
    ("ours", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)]
)
def test_its_threads_leave_the_cores_to_others_unless_told_otherwise(
    ours: dict[str, str], spins: str | None
) -> None:
    assert environment_for_child(ours).get("GOMP_SPINCOUNT") == spins


def test_others_go_first(host: Host) -> None:
    engine = host()
    engine.load()
    assert process_of(engine).nice() == psutil.Process().nice() + 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_of_the_terminal_are_left_to_its_parent(host: Host, number: signal.Signals) -> None:
    engine = host()
    engine.load()
    process_of(engine).send_signal(number)
    assert engine.hear([PIECE])


def orphan(script: Path) -> psutil.Process:
    """An engine's process whose parent was killed."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT, script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return child


async def test_it_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"texts": ["Hello."]}))
    child = orphan(path)

    async def gone() -> bool:
        with suppress(psutil.NoSuchProcess):
            return child.status() == psutil.STATUS_ZOMBIE
        return True

    await eventually(gone)


def test_what_is_under_way_ends_when_it_is_unloaded(host: Host) -> None:
    engine = host(**SLOW)
    engine.load()
    raised: list[BaseException] = []

    def hear() -> None:
        try:
            engine.hear([PIECE])
        except EngineLost as error:
            raised.append(error)

    listener = threading.Thread(target=hear)
    listener.start()
    engine.unload()
    listener.join(10)
    assert not listener.is_alive()


def test_one_that_hangs_is_ended(script: Callable[[dict[str, Any]], EngineSettings]) -> None:
    engine = HostedEngine("scripted", script(SLOW), patience=lambda seconds: seconds / 10)
    engine.load()
    process = process_of(engine)
    with pytest.raises(EngineLost, match="was killed"):
        engine.hear([PIECE])
    engine.unload()
    assert not process.is_running()


def slot_of(engine: HostedEngine) -> EngineSlot[Engine]:
    return EngineRoom[Engine]().add("scripted", lambda: engine, Care(measure=lambda _: engine.memory_bytes()))


async def test_a_killed_process_costs_a_moment_and_no_answer(host: Host, tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    engine = host(texts=["Hello."], seconds_per_audio_second=0.4, diary=str(diary))
    slot = slot_of(engine)
    batcher = Batcher(slot)
    await slot.load()
    process = process_of(engine)
    asked = [asyncio.create_task(batcher.hear(PIECE, job=f"job {n}", caller="ann")) for n in range(3)]

    async def begun() -> bool:
        return diary.exists()

    await eventually(begun)
    process.kill()
    answers = await asyncio.gather(*asked)
    assert [answer.segments[0].text for answer in answers] == ["Hello."] * 3
    assert engine.pid != process.pid
    await batcher.close()
    await slot.close()


async def test_one_killed_while_it_was_idle_is_started_again_by_the_next_piece(host: Host) -> None:
    engine = host()
    slot = slot_of(engine)
    batcher = Batcher(slot)
    await slot.load()
    process = process_of(engine)
    process.kill()
    assert (await batcher.hear(PIECE, job="job", caller="ann")).segments
    assert engine.pid != process.pid
    process_of(engine).kill()
    await batcher.check(Options())
    await batcher.close()
    await slot.unload()
    assert engine.pid is None


@pytest.mark.models
def test_a_real_model_is_heard_and_leaves_nothing_in_our_memory(tmp_path: Path) -> None:
    with wave.open(str(SPEECH / "sense-0870.wav")) as file:
        sound = np.frombuffer(file.readframes(30 * 16_000), "<i2").astype(np.float32) / np.float32(32_768)
    engine = HostedEngine("faster-whisper", EngineSettings("whisper-tiny.en", tmp_path, offline=True))
    ours = psutil.Process().memory_info().rss
    engine.load()
    try:
        (heard,) = engine.hear([Piece(sound, Options())])
        assert heard.segments
        assert (engine.memory_bytes() or 0) > 100 << 20
        process = process_of(engine)
    finally:
        engine.unload()
    assert not process.is_running()
    assert psutil.Process(os.getpid()).memory_info().rss - ours < 50 << 20
