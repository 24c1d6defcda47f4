"""An engine of voices in a process of its own: it answers as if it were here."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stentor_common.engines import EngineLost
from stentor_common.hosting import EngineFault
from stentor_tts.engines import CannotSay, EngineSettings, NoSuchSpeaker, Utterance
from stentor_tts.engines.hosted import HostedEngine, patience
from stentor_tts.engines.scripted import ScriptedEngine

pytestmark = pytest.mark.live

HELLO = Utterance("Hello there", "high")

Host = Callable[..., HostedEngine]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made: list[HostedEngine] = []

    def hosted(**script: Any) -> HostedEngine:
        path = tmp_path / "script.json"
        path.write_text(json.dumps(script))
        # Quick to give up on an engine that hangs.
        made.append(HostedEngine("scripted", EngineSettings(str(path), tmp_path), lambda _: 1))
        made[-1].load()
        return made[-1]

    yield hosted
    for engine in made:
        engine.unload()


def test_it_speaks_as_the_engine_speaks(host: Host, tmp_path: Path) -> None:
    hosted = host()
    here = ScriptedEngine(EngineSettings("tones", tmp_path))
    here.load()

    (there,), (expected,) = hosted.say([HELLO]), here.say([HELLO])

    assert hosted.voices() == here.voices()
    np.testing.assert_array_equal(there.samples, expected.samples)
    assert (there.sample_rate, there.words) == (expected.sample_rate, expected.words)


def test_what_callers_may_be_told_is_raised_as_it_was(host: Host) -> None:
    hosted = host()

    with pytest.raises(CannotSay) as caught:
        hosted.say([Utterance("…", "high")])
    with pytest.raises(NoSuchSpeaker, match="it has high, low"):
        hosted.say([Utterance("Hello", "tenor")])

    assert (caught.value.status, caught.value.param) == (400, "text")


def test_any_other_fault_keeps_its_trace_and_the_engine_speaks_on(host: Host) -> None:
    hosted = host(fails_on="boom")

    with pytest.raises(EngineFault, match="ScriptedFailure") as caught:
        hosted.say([Utterance("boom", "high")])

    assert "_spoken" in "".join(caught.value.__notes__)
    assert hosted.say([HELLO])


def test_an_engine_that_was_ended_is_lost_and_comes_again(host: Host) -> None:
    hosted = host()
    assert hosted.pid
    os.kill(hosted.pid, signal.SIGKILL)

    with pytest.raises(EngineLost):
        hosted.say([HELLO])
    hosted.unload()
    hosted.load()

    assert hosted.say([HELLO])


def test_an_engine_that_hangs_is_ended(host: Host) -> None:
    hosted = host(seconds_per_audio_second=1_000)

    with pytest.raises(EngineLost):
        hosted.say([HELLO])


def test_a_longer_text_may_take_longer() -> None:
    short, slow, long = (
        patience([Utterance(text, "high", rate=rate)])
        for text, rate in (("Hello", 1), ("Hello", 0.25), ("Hello" * 99, 1))
    )

    assert short < slow < long


def test_memory_is_told_while_there_is_some(host: Host) -> None:
    hosted = host()
    assert (hosted.memory_bytes() or 0) > 1_000_000

    hosted.unload()

    assert hosted.memory_bytes() is None


def test_it_is_loaded_before_it_speaks(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"load\(\)"):
        HostedEngine("scripted", EngineSettings("tones", tmp_path)).say([HELLO])
