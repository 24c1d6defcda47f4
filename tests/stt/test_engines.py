"""The engine port: which engines there are, and the scripted one that tests use."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stentor_common.adapters import MissingExtra, UnknownAdapter, resolve
from stentor_stt.engines import ENGINES, Engine, EngineSettings
from stentor_stt.engines.scripted import Script, ScriptedEngine, ScriptedFailure
from stentor_stt.errors import UnknownLanguage
from stentor_stt.options import Options, Task

SOUND = np.ones(32_000, np.float32)
SETTINGS = EngineSettings("scripted", Path("unused"))


def scripted(script: Script, waited: list[float] | None = None) -> ScriptedEngine:
    engine = ScriptedEngine(SETTINGS, script, wait=([] if waited is None else waited).append)
    engine.load()
    return engine


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_is_found_by_its_name(name: str) -> None:
    assert resolve(ENGINES, name).name == name


def test_an_engine_that_nobody_wrote_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAdapter, match="faster-whisper, scripted"):
        resolve(ENGINES, "siri")


def test_choosing_an_engine_needs_no_model_library() -> None:
    heavy = "{'numpy', 'av', 'faster_whisper', 'ctranslate2', 'onnxruntime'}"
    program = (
        "import sys, stentor_stt.engines.scripted, stentor_stt.models, stentor_stt.subtitles;"
        f"print(sorted(set(sys.modules) & {heavy}))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_a_missing_library_is_named_with_the_extra_that_brings_it() -> None:
    program = (
        "import sys; sys.modules['faster_whisper'] = None\n"
        "from stentor_common.adapters import resolve\n"
        "from stentor_stt.engines import ENGINES\n"
        "resolve(ENGINES, 'faster-whisper')"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert MissingExtra.__name__ in found.stderr
    assert "stentor[whisper]" in found.stderr


def test_the_script_is_said_in_equal_parts_of_the_sound() -> None:
    engine: Engine = scripted(Script(("Good morning.", "Bye.")))

    heard = engine.transcribe(SOUND, Options())

    assert heard.language == "en"
    assert [(s.text, s.start_ms, s.end_ms) for s in heard.segments] == [
        ("Good morning.", 0, 1_000),
        ("Bye.", 1_000, 2_000),
    ]


def test_words_have_times_unless_they_are_not_wanted() -> None:
    engine = scripted(Script(("Good morning.",)))

    (timed,) = engine.transcribe(SOUND, Options()).segments
    (untimed,) = engine.transcribe(SOUND, Options(word_times=False)).segments

    assert [(w.text, w.start_ms, w.end_ms) for w in timed.words] == [
        ("Good", 0, 1_000),
        ("morning.", 1_000, 2_000),
    ]
    assert untimed.words == ()


def test_nothing_is_said_in_silence() -> None:
    heard = scripted(Script(("Hello",))).transcribe(np.zeros(16_000, np.float32), Options())

    assert (heard.language, list(heard.segments)) == (None, [])


def test_a_slow_engine_takes_its_time_segment_by_segment() -> None:
    waited: list[float] = []
    engine = scripted(Script(("one", "two"), seconds_per_audio_second=0.5), waited)

    heard = engine.transcribe(SOUND, Options())
    assert waited == []
    next(heard.segments)

    assert waited == [0.5]


def test_a_broken_engine_fails_where_the_script_says() -> None:
    heard = scripted(Script(("one", "two"), fails_after=1)).transcribe(SOUND, Options())

    assert next(heard.segments).text == "one"
    with pytest.raises(ScriptedFailure, match="segment 1"):
        next(heard.segments)


def test_a_language_the_script_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownLanguage, match=r"'tlh'.*en, es, fr, de"):
        scripted(Script(("one",))).transcribe(SOUND, Options(language="tlh"))


def test_what_was_asked_can_be_read_afterwards() -> None:
    engine = scripted(Script(("one",)))
    asked = Options(task=Task.TRANSLATE, hotwords=("Norland",))

    engine.transcribe(SOUND, asked)

    assert engine.asked == [asked]


def test_a_script_can_come_from_a_file_for_engines_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"texts": ["From a file."], "language": "fr"}))
    engine = ScriptedEngine(EngineSettings(str(path), tmp_path))
    engine.load()

    heard = engine.transcribe(SOUND, Options())

    assert (heard.language, [segment.text for segment in heard.segments]) == ("fr", ["From a file."])


def test_an_engine_that_is_not_loaded_does_nothing() -> None:
    engine = scripted(Script(("one",)))
    engine.unload()

    with pytest.raises(RuntimeError, match="load"):
        engine.transcribe(SOUND, Options())
