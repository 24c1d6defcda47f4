"""Whisper on recorded speech: how well it hears, and what it refuses."""

import json
from pathlib import Path

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_stt.audio import SAMPLE_RATE, Sound
from stentor_stt.decoder.reading import decode
from stentor_stt.engines import EngineSettings
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.errors import ModelNotFound, TaskNotOffered, UnknownLanguage
from stentor_stt.options import Options, Task
from stentor_stt.transcript import Segment

SPEECH = Path(__file__).parents[1] / "speech"

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def base(data_dir: Path) -> WhisperEngine:
    engine = WhisperEngine(EngineSettings("whisper-base", data_dir, offline=True))
    engine.load()
    return engine


@pytest.fixture(scope="module")
def tiny(data_dir: Path) -> WhisperEngine:
    engine = WhisperEngine(EngineSettings("whisper-tiny.en", data_dir, offline=True))
    engine.load()
    return engine


def clip(name: str) -> Sound:
    return np.concatenate(list(decode(SPEECH / name)))


def hear(engine: WhisperEngine, sound: Sound, options: Options | None = None) -> list[Segment]:
    return list(engine.transcribe(sound, options or Options()).segments)


def said(segments: list[Segment]) -> str:
    return " ".join(segment.text for segment in segments)


@pytest.mark.parametrize(("model", "allowed"), [("base", 0.05), ("tiny", 0.08)])
def test_few_words_are_wrong(request: pytest.FixtureRequest, model: str, allowed: float) -> None:
    engine: WhisperEngine = request.getfixturevalue(model)
    texts: dict[str, str] = json.loads((SPEECH / "texts.json").read_text())
    plain = EnglishTextNormalizer()

    heard = [plain(said(hear(engine, clip(name)))) for name in texts]

    assert jiwer.wer([plain(text) for text in texts.values()], heard) <= allowed


def test_the_language_is_detected(base: WhisperEngine) -> None:
    heard = base.transcribe(clip("sense-0870.wav"), Options())

    assert heard.language == "en"
    assert heard.language_confidence is not None
    assert heard.language_confidence > 0.9


def test_words_have_rising_times_within_the_sound(base: WhisperEngine) -> None:
    sound = clip("sense-0870.wav")

    words = [word for segment in hear(base, sound) for word in segment.words]

    times = [time for word in words for time in (word.start_ms, word.end_ms)]
    assert len(words) > 15
    assert times == sorted(times)
    assert times[-1] <= len(sound) * 1000 // SAMPLE_RATE
    assert all(word.text == word.text.strip() and 0 <= word.confidence <= 1 for word in words)


def test_word_times_are_left_out_when_not_wanted(tiny: WhisperEngine) -> None:
    (segment,) = hear(tiny, clip("sense-0880.wav"), Options(word_times=False))

    assert segment.words == ()
    assert segment.text


def test_a_pause_is_taken_out_for_the_model_and_kept_in_the_times(tiny: WhisperEngine) -> None:
    pause = np.zeros(20 * SAMPLE_RATE, np.float32)
    segments = hear(tiny, np.concatenate([clip("sense-0880.wav"), pause, clip("sense-0930.wav")]))

    assert segments[0].end_ms < 3_500
    assert segments[-1].start_ms > 22_000


@pytest.mark.parametrize("sound", [np.zeros(5 * SAMPLE_RATE, np.float32), np.zeros(0, np.float32)])
def test_silence_gives_no_words_and_no_language(base: WhisperEngine, sound: Sound) -> None:
    heard = base.transcribe(sound, Options())

    assert (heard.language, list(heard.segments)) == (None, [])


def test_speech_is_found_where_it_is(tiny: WhisperEngine) -> None:
    second = np.zeros(SAMPLE_RATE, np.float32)
    spoken = clip("sense-0880.wav")

    spans = tiny.speech(np.concatenate([second, spoken, second]))

    assert spans[0][0] == pytest.approx(SAMPLE_RATE, abs=SAMPLE_RATE // 2)
    assert spans[-1][1] == pytest.approx(SAMPLE_RATE + len(spoken), abs=SAMPLE_RATE // 2)


@pytest.mark.parametrize("language", ["xx", "English", ""])
def test_an_unknown_language_is_refused_with_some_that_are_known(base: WhisperEngine, language: str) -> None:
    with pytest.raises(UnknownLanguage, match=r"whisper-base; use one of en, es, fr, de, zh and more"):
        base.transcribe(clip("sense-0880.wav"), Options(language=language))


def test_an_english_only_model_refuses_other_languages(tiny: WhisperEngine) -> None:
    with pytest.raises(UnknownLanguage, match=r"whisper-tiny\.en; use one of en,"):
        tiny.transcribe(clip("sense-0880.wav"), Options(language="fr"))

    assert tiny.languages() == {"en"}


def test_an_english_only_model_refuses_to_translate(tiny: WhisperEngine) -> None:
    with pytest.raises(TaskNotOffered, match="English only"):
        tiny.transcribe(clip("sense-0880.wav"), Options(task=Task.TRANSLATE))


def test_a_model_that_knows_many_languages_translates(base: WhisperEngine) -> None:
    assert said(hear(base, clip("sense-0880.wav"), Options(task=Task.TRANSLATE, temperature=0.0)))


def test_hot_words_and_a_prompt_are_listened_for(base: WhisperEngine) -> None:
    plain = hear(base, clip("sense-0870.wav"))
    hinted = hear(base, clip("sense-0870.wav"), Options(hotwords=("Jon Dashwoode",), prompt="Jon Dashwoode"))

    assert "John Dashwood" in said(plain)
    assert "Dashwoode" in said(hinted)


def test_loading_twice_loads_once_and_unloading_lets_go(data_dir: Path) -> None:
    engine = WhisperEngine(EngineSettings("tiny.en", data_dir, offline=True))
    engine.load()
    engine.load()
    assert hear(engine, clip("sense-0880.wav"))

    engine.unload()

    with pytest.raises(RuntimeError, match="load"):
        hear(engine, clip("sense-0880.wav"))
    engine.load()
    assert hear(engine, clip("sense-0880.wav"))


def test_a_model_that_is_nowhere_is_missed_when_loading(data_dir: Path) -> None:
    with pytest.raises(ModelNotFound, match="large-v3"):
        WhisperEngine(EngineSettings("large-v3", data_dir, offline=True)).load()
