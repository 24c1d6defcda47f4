"""The port of text to speech: which engines there are, and the scripted one that tests use."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stentor_common.adapters import MissingExtra, UnknownAdapter, resolve
from stentor_tts.engines import (
    ENGINES,
    CannotSay,
    EngineSettings,
    NoSuchSpeaker,
    Spoken,
    SpokenWord,
    Utterance,
    make_engine,
)
from stentor_tts.engines.scripted import Script, ScriptedEngine, ScriptedFailure

SETTINGS = EngineSettings("tones", Path("unused"))


def scripted(script: Script, waited: list[float] | None = None) -> ScriptedEngine:
    engine = ScriptedEngine(SETTINGS, script, wait=([] if waited is None else waited).append)
    engine.load()
    return engine


def say(engine: ScriptedEngine, text: str, voice: str = "high", rate: float = 1) -> Spoken:
    (spoken,) = engine.say([Utterance(text, voice, rate=rate)])
    return spoken


def pitch(spoken: Spoken) -> float:
    """The strongest frequency, in Hz."""
    heights = np.abs(np.fft.rfft(spoken.samples))
    return float(np.fft.rfftfreq(len(spoken.samples), 1 / spoken.sample_rate)[heights.argmax()])


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_found_by_its_name(name: str) -> None:
    assert make_engine(name, EngineSettings("some-model", Path("unused"))).name == name


def test_an_engine_that_nobody_wrote_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAdapter, match="coqui, hibari, kokoro, piper, scripted"):
        resolve(ENGINES, "siri")


def test_choosing_voices_and_engines_needs_no_model_library() -> None:
    heavy = "{'numpy', 'av', 'onnxruntime', 'hibari', 'torch', 'TTS'}"
    program = (
        "import sys, stentor_tts.engines.hosted, stentor_tts.engines.scripted, stentor_tts.voices;"
        f"print(sorted(set(sys.modules) & {heavy}))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    program = (
        "import sys; sys.modules['hibari'] = None\n"
        "from stentor_common.adapters import resolve\n"
        "from stentor_tts.engines import ENGINES\n"
        "resolve(ENGINES, 'hibari')"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert MissingExtra.__name__ in found.stderr
    assert "stentor[speech]" in found.stderr


# The scripted engine


def test_a_text_lasts_as_long_as_its_letters_and_the_words_are_where_it_says() -> None:
    spoken = say(scripted(Script(ms_per_character=10, ms_between_words=20)), "Good morning")

    assert spoken.words == (SpokenWord("Good", 0, 40), SpokenWord("morning", 60, 130))
    assert len(spoken.samples) == 130 * spoken.sample_rate // 1000
    between = spoken.samples[40 * 8 : 60 * 8]
    assert not between.any()
    assert spoken.samples[: 40 * 8].any()


def test_each_voice_has_a_pitch_of_its_own() -> None:
    engine = scripted(Script(voices=("high", "low")))

    high, low = (pitch(say(engine, "Hello" * 20, voice)) for voice in ("high", "low"))

    assert high == pytest.approx(2 * low, rel=0.05)


def test_twice_the_rate_takes_half_the_time() -> None:
    engine = scripted(Script())

    slow, fast = (len(say(engine, "Good morning", rate=rate).samples) for rate in (1, 2))

    assert fast == pytest.approx(slow / 2, rel=0.02)


def test_each_utterance_of_several_is_answered_in_order() -> None:
    engine = scripted(Script())

    several = engine.say([Utterance("One", "high"), Utterance("Twenty", "low")])

    assert [[word.text for word in each.words] for each in several] == [["One"], ["Twenty"]]


@pytest.mark.parametrize("text", ["", "  ", "…", "mumble"])
def test_what_has_no_sound_is_refused_and_never_silence(text: str) -> None:
    with pytest.raises(CannotSay) as caught:
        say(scripted(Script(cannot_say=("mumble",))), text)

    assert caught.value.param == "text"


def test_a_long_text_is_not_repeated_in_the_error() -> None:
    with pytest.raises(CannotSay) as caught:
        say(scripted(Script(cannot_say=("?" * 500,))), "?" * 500)

    assert len(str(caught.value)) < 300


def test_a_word_without_a_sound_is_left_out_beside_others() -> None:
    spoken = say(scripted(Script(cannot_say=("mumble",))), "Hello mumble there")

    assert [word.text for word in spoken.words] == ["Hello", "there"]


def test_a_speaker_the_model_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(NoSuchSpeaker, match="'tenor'; it has high, low"):
        say(scripted(Script()), "Hello", "tenor")


def test_a_broken_engine_fails_where_the_script_says() -> None:
    with pytest.raises(ScriptedFailure):
        say(scripted(Script(fails_on="boom")), "It goes boom today")


def test_a_slow_engine_takes_its_time() -> None:
    waited: list[float] = []

    spoken = say(scripted(Script(seconds_per_audio_second=10), waited), "Good morning")

    assert waited == [pytest.approx(10 * len(spoken.samples) / spoken.sample_rate)]


def test_a_slow_engine_that_is_unloaded_does_not_speak_to_the_end() -> None:
    engine = ScriptedEngine(SETTINGS, Script(seconds_per_audio_second=10_000))
    engine.load()
    with ThreadPoolExecutor(1) as aside:
        speaking = aside.submit(say, engine, "Good morning")
        while not engine.asked:
            pass
        engine.unload()
        assert len(speaking.result().samples)


def test_a_script_is_read_from_the_file_that_names_the_model(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    (tmp_path / "script.json").write_text(json.dumps({"voices": ["one"], "diary": str(diary)}))
    engine = ScriptedEngine(EngineSettings(str(tmp_path / "script.json"), tmp_path))
    engine.load()

    engine.say([Utterance("Hello", "one", "fr", 1.5)])

    assert [voice.id for voice in engine.voices()] == ["one"]
    assert json.loads(diary.read_text()) == {"voice": "one", "language": "fr", "rate": 1.5, "text": "Hello"}


def test_an_engine_is_loaded_before_it_speaks() -> None:
    with pytest.raises(RuntimeError, match=r"load\(\)"):
        say(ScriptedEngine(SETTINGS, Script()), "Hello")
