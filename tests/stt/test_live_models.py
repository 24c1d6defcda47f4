"""Live sessions with the default model on recorded speech."""

import json
import wave
from collections.abc import Iterator
from pathlib import Path

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_stt.engines import EngineSettings, Piece
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.live.events import Event, Final, Settled, SpeechStarted
from stentor_stt.live.session import LiveSession
from stentor_stt.live.wanted import Turns
from stentor_stt.options import Options
from stentor_stt.sound import SAMPLE_RATE, Sound

SPEECH = Path(__file__).parents[1] / "speech"
TEXTS: dict[str, str] = json.loads((SPEECH / "texts.json").read_text())

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WhisperEngine]:
    folder = tmp_path_factory.mktemp("models")
    made = WhisperEngine(EngineSettings("whisper-base", folder, offline=True))
    made.load()
    yield made
    made.unload()


def sound_of(name: str) -> Sound:
    with wave.open(str(SPEECH / name)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    sound: Sound = samples.astype(np.float32) * np.float32(1 / 32768)
    return sound


def said(engine: WhisperEngine, sound: Sound, options: Options, *, step: int) -> list[Event]:
    """What a session tells that gets so many samples at a time, and an answer after each."""
    session = LiveSession(options, Turns())
    events: list[Event] = []

    def hear() -> None:
        while question := session.question():
            piece = Piece(question.sound, question.options, find_speech=True)
            events.extend(session.answered(question, engine.hear([piece])[0]))
        events.extend(session.due())

    for at in range(0, len(sound), step):
        session.take(sound[at : at + step])
        hear()
    session.finish()
    hear()
    return events


def test_speech_with_pauses_becomes_a_turn_for_each_sentence(engine: WhisperEngine) -> None:
    names = ["sense-0880.wav", "sense-0930.wav"]
    pause = np.zeros(SAMPLE_RATE, np.float32)
    sound = np.concatenate([part for name in names for part in (sound_of(name), pause)])

    events = said(engine, sound, Options(language="en"), step=SAMPLE_RATE // 2)

    finals = [event for event in events if isinstance(event, Final)]
    normal = EnglishTextNormalizer()
    assert len(finals) == 2
    assert jiwer.wer([normal(TEXTS[name]) for name in names], [normal(each.text) for each in finals]) <= 0.1
    assert sum(isinstance(event, SpeechStarted) for event in events) == 2
    for turn, final in enumerate(finals):
        settled = [event for event in events if isinstance(event, Settled) and event.turn == turn]
        assert "".join(event.text for event in settled) == final.text
        assert len(settled) > 2
        times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
        assert times == sorted(times)


def test_speech_that_comes_at_once_reads_the_same(engine: WhisperEngine) -> None:
    sound = sound_of("sense-0870.wav")
    events = said(engine, sound, Options(), step=len(sound))
    (final,) = [event for event in events if isinstance(event, Final)]
    normal = EnglishTextNormalizer()
    assert jiwer.wer(normal(TEXTS["sense-0870.wav"]), normal(final.text)) <= 0.1
    assert final.language == "en"


def test_noise_is_not_taken_for_speech(engine: WhisperEngine) -> None:
    noise = (0.02 * np.random.default_rng(1).standard_normal(3 * SAMPLE_RATE)).astype(np.float32)
    assert said(engine, noise, Options(), step=SAMPLE_RATE // 2) == []
