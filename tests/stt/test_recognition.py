"""From a file to a transcript: windows, language, progress, cancelling, failures."""

import json
import threading
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_stt.audio import SAMPLE_RATE, Sound, decode
from stentor_stt.engines import Engine, EngineSettings, Hearing
from stentor_stt.engines.scripted import Script, ScriptedEngine, ScriptedFailure
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.errors import AudioTooLong, AudioUnreadable
from stentor_stt.options import Options
from stentor_stt.recognition import recognise
from stentor_stt.supervision import Supervision
from stentor_stt.transcript import Segment, Transcript

SPEECH = Path(__file__).parents[1] / "speech"


def save(path: Path, sound: Sound) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes((sound * 32_767).astype("<i2").tobytes())
    return path


def noise(seconds: float) -> Sound:
    return np.full(int(seconds * SAMPLE_RATE), 0.5, np.float32)


def silence(seconds: float) -> Sound:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def scripted(
    *texts: str, fails_after: int | None = None, seconds_per_audio_second: float = 0.0
) -> ScriptedEngine:
    script = Script(texts, fails_after=fails_after, seconds_per_audio_second=seconds_per_audio_second)
    engine = ScriptedEngine(EngineSettings("scripted", Path("unused")), script)
    engine.load()
    return engine


class Stopped(Exception):
    """What whoever watches a recognition raises to end it."""


def stop_when(told: Callable[[], bool]) -> Callable[[], None]:
    def check() -> None:
        if told():
            raise Stopped

    return check


def transcribe(
    path: Path, engine: Engine, options: Options | None = None, watch: Supervision | None = None
) -> Transcript:
    return recognise(path, engine, options or Options(), watch)


@pytest.fixture
def ten_seconds(tmp_path: Path) -> Path:
    return save(tmp_path / "ten.wav", noise(10))


def test_windows_are_joined_on_one_clock(ten_seconds: Path) -> None:
    found = transcribe(ten_seconds, scripted("Hello there."), watch=Supervision(window_seconds=6))

    assert found.text == "Hello there. Hello there."
    assert found.duration_ms == 10_000
    assert found.segments[-1].end_ms == 10_000
    assert found.segments[0].end_ms == found.segments[1].start_ms


def test_silence_has_a_transcript_with_nothing_in_it(tmp_path: Path) -> None:
    found = transcribe(save(tmp_path / "silence.wav", silence(3)), scripted("Hello"))

    assert (found.text, found.language, found.duration_ms, found.confidence) == ("", None, 3_000, None)


def test_the_language_of_the_first_speech_is_kept(tmp_path: Path) -> None:
    path = save(tmp_path / "late.wav", np.concatenate([silence(10), noise(10)]))
    engine = scripted("Hello")

    found = transcribe(path, engine, watch=Supervision(window_seconds=5))

    languages = [options.language for options in engine.asked]
    assert found.language == "en"
    assert languages[:2] == [None, None]
    assert languages[-1] == "en"


def test_progress_rises_to_the_whole_length(ten_seconds: Path) -> None:
    reports: list[tuple[int, int | None]] = []

    transcribe(
        ten_seconds,
        scripted("one", "two"),
        watch=Supervision(
            report=lambda done_ms, total_ms: reports.append((done_ms, total_ms)), window_seconds=6
        ),
    )

    done = [each for each, _ in reports]
    assert done == sorted(done)
    assert reports[-1] == (10_000, 10_000)
    assert {total for _, total in reports} == {10_000}
    assert len(done) > 4


def test_a_segment_that_ends_after_its_window_does_not_push_the_next(ten_seconds: Path) -> None:
    class Overlong(ScriptedEngine):
        def transcribe(self, sound: Sound, options: Options) -> Hearing:
            segment = Segment(0, 60_000, "long", (), -0.1, 0.0, 1.0, 0.0)
            return Hearing("en", 1.0, iter([segment]))

    engine = Overlong(EngineSettings("scripted", Path("unused")), Script(()))

    first, second = transcribe(ten_seconds, engine, watch=Supervision(window_seconds=6)).segments

    assert first.end_ms == second.start_ms < 6_000
    assert second.end_ms == 10_000


def test_cancelling_stops_between_segments(ten_seconds: Path) -> None:
    done: list[int] = []

    with pytest.raises(Stopped):
        transcribe(
            ten_seconds,
            scripted("one", "two", "three", "four"),
            watch=Supervision(
                report=lambda done_ms, _: done.append(done_ms), check=stop_when(lambda: len(done) == 2)
            ),
        )

    assert done == [2_500, 5_000]


@pytest.mark.parametrize("cause", ["cancel", "engine fails", "report fails"])
def test_the_decoder_ends_with_the_job(tmp_path: Path, cause: str) -> None:
    path = save(tmp_path / "long.wav", noise(120))

    def report(done_ms: int, total_ms: int | None) -> None:
        if cause == "report fails":
            raise OSError("database gone")

    with pytest.raises((Stopped, ScriptedFailure, OSError)):
        transcribe(
            path,
            scripted("one", fails_after=0 if cause == "engine fails" else None),
            watch=Supervision(report=report, check=stop_when(lambda: cause == "cancel"), window_seconds=5),
        )

    assert not [thread for thread in threading.enumerate() if thread.name == "stt-decoder"]


def test_what_is_wrong_with_the_recording_is_said(tmp_path: Path) -> None:
    path = tmp_path / "letter.mp3"
    path.write_text("Dear Sir, " * 500)

    with pytest.raises(AudioUnreadable):
        transcribe(path, scripted("Hello"))


def test_a_recording_over_the_limit_is_refused(ten_seconds: Path) -> None:
    with pytest.raises(AudioTooLong):
        transcribe(ten_seconds, scripted("Hello"), watch=Supervision(max_seconds=8))


def test_a_failing_engine_is_not_hidden(ten_seconds: Path) -> None:
    with pytest.raises(ScriptedFailure):
        transcribe(ten_seconds, scripted("one", "two", fails_after=1))


def test_the_decoder_is_one_window_ahead_and_no_further(tmp_path: Path) -> None:
    second_cut = threading.Event()
    cuts: list[int] = []
    cuts_when_reported: list[int] = []

    class Counting(ScriptedEngine):
        def speech(self, sound: Sound) -> list[tuple[int, int]]:
            # Asked once for every cut in the decoder's thread, and by the engine itself in ours.
            if threading.current_thread().name == "stt-decoder":
                cuts.append(len(sound))
                if len(cuts) == 2:
                    second_cut.set()
            return super().speech(sound)

    def report(_done_ms: int, _total_ms: int | None) -> None:
        assert second_cut.wait(10)
        cuts_when_reported.append(len(cuts))

    engine = Counting(EngineSettings("scripted", Path("unused")), Script(("one",)))
    engine.load()
    transcribe(
        save(tmp_path / "long.wav", noise(60)),
        engine,
        watch=Supervision(report=report, window_seconds=10),
    )

    while_windows_were_heard = cuts_when_reported[: 2 * len(cuts) : 2]
    assert all(cut <= number + 2 for number, cut in enumerate(while_windows_were_heard))


# With a real model


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> WhisperEngine:
    engine = WhisperEngine(EngineSettings("whisper-tiny.en", tmp_path_factory.mktemp("data"), offline=True))
    engine.load()
    return engine


def read_aloud(pause_seconds: float, times: int) -> tuple[Sound, str]:
    """The recorded sentences one after the other, several times, and what they say."""
    texts = json.loads((SPEECH / "texts.json").read_text())
    parts = [part for clip in texts for part in (*decode(SPEECH / clip), silence(pause_seconds))]
    return np.concatenate(parts * times), " ".join([*texts.values()] * times)


@pytest.mark.models
def test_nothing_is_lost_or_doubled_where_windows_meet(tmp_path: Path, whisper: WhisperEngine) -> None:
    sound, said = read_aloud(pause_seconds=0.8, times=4)
    path = save(tmp_path / "long.wav", sound)

    found = transcribe(path, whisper, watch=Supervision(window_seconds=20))

    plain = EnglishTextNormalizer()
    heard, expected = plain(found.text).split(), plain(said).split()
    assert abs(len(heard) - len(expected)) <= 0.02 * len(expected)
    assert heard.count("dashwood") == 4
    assert heard.count("selfish") == 4
    times = [time for word in found.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)
    assert times[-1] <= found.duration_ms == len(sound) * 1000 // SAMPLE_RATE


@pytest.mark.models
def test_a_cancelled_job_leaves_the_model_within_a_second_or_two(
    tmp_path: Path, whisper: WhisperEngine
) -> None:
    sound, _ = read_aloud(pause_seconds=0.5, times=20)
    path = save(tmp_path / "long.wav", sound)
    cancelled = threading.Event()
    cancelled_at: list[float] = []

    def cancel() -> None:
        cancelled_at.append(time.monotonic())
        cancelled.set()

    timer = threading.Timer(1.0, cancel)
    timer.start()
    with pytest.raises(Stopped):
        transcribe(path, whisper, watch=Supervision(check=stop_when(cancelled.is_set)))

    timer.join()
    assert time.monotonic() - cancelled_at[0] < 2
