"""The engine port: which engines there are, and the scripted one that tests use."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stentor_common.adapters import MissingExtra, UnknownAdapter, resolve
from stentor_stt.engines import ENGINES, Engine, EngineSettings, Heard, Piece
from stentor_stt.engines.scripted import Script, ScriptedEngine, ScriptedFailure
from stentor_stt.errors import UnknownLanguage
from stentor_stt.options import Hotword, Options, Task
from stentor_stt.sound import Sound

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


def hear(engine: Engine, options: Options | None = None, sound: Sound = SOUND) -> Heard:
    (heard,) = engine.hear([Piece(sound, options or Options())])
    return heard


def test_the_script_is_said_in_equal_parts_of_the_sound() -> None:
    heard = hear(scripted(Script(("Good morning.", "Bye."))))

    assert (heard.language, heard.language_confidence) == ("en", 1.0)
    assert [(s.text, s.start_ms, s.end_ms) for s in heard.segments] == [
        ("Good morning.", 0, 1_000),
        ("Bye.", 1_000, 2_000),
    ]


def test_each_piece_of_a_batch_is_heard_by_its_own_options() -> None:
    engine = scripted(Script(("Bonjour",)))
    pieces = [Piece(SOUND, Options(language="fr")), Piece(SOUND[:16_000], Options(word_times=False))]

    first, second = engine.hear(pieces)

    assert (first.language, first.segments[0].end_ms, len(first.segments[0].words)) == ("fr", 2_000, 1)
    assert (second.language, second.segments[0].end_ms, len(second.segments[0].words)) == ("en", 1_000, 0)


def test_words_have_times_unless_they_are_not_wanted() -> None:
    engine = scripted(Script(("Good morning.",)))

    (timed,) = hear(engine).segments
    (untimed,) = hear(engine, Options(word_times=False)).segments

    assert [(w.text, w.start_ms, w.end_ms) for w in timed.words] == [
        ("Good", 0, 1_000),
        ("morning.", 1_000, 2_000),
    ]
    assert untimed.words == ()


def test_nothing_is_said_in_silence() -> None:
    engine = scripted(Script(("Hello",)))
    silence = np.zeros(16_000, np.float32)

    (heard,) = engine.hear([Piece(silence, Options(), find_speech=True)])

    assert heard == Heard(None, None, ())


def test_who_has_speech_looked_for_is_told_where_it_is() -> None:
    engine = scripted(Script(("Hello",)))

    (heard,) = engine.hear([Piece(SOUND, Options(), find_speech=True)])

    assert heard.speech == ((0, 2_000),)


def test_a_slow_engine_takes_its_time() -> None:
    waited: list[float] = []

    hear(scripted(Script(("one", "two"), seconds_per_audio_second=0.5), waited))

    assert waited == [0.5, 0.5]


def test_a_slow_engine_that_is_unloaded_does_not_play_to_the_end() -> None:
    engine = ScriptedEngine(SETTINGS, Script(("one",), seconds_per_audio_second=1_000))
    engine.load()
    with ThreadPoolExecutor(1) as aside:
        playing = aside.submit(engine.hear, [Piece(SOUND, Options())])
        while not engine.asked:
            pass
        engine.unload()
        assert playing.result()


def test_a_broken_engine_fails_where_the_script_says() -> None:
    waited: list[float] = []
    engine = scripted(Script(("one", "two", "three"), fails_after=1), waited)

    with pytest.raises(ScriptedFailure, match="segment 1"):
        hear(engine)

    assert len(waited) == 2


def test_a_language_the_script_does_not_have_is_refused() -> None:
    engine = scripted(Script(("one",)))

    for ask in (engine.check, lambda options: hear(engine, options)):
        with pytest.raises(UnknownLanguage, match=r"'tlh'.*en, es, fr, de"):
            ask(Options(language="tlh"))


def test_what_was_asked_can_be_read_afterwards(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    engine = scripted(Script(("one",), diary=str(diary)))
    asked = Options(task=Task.TRANSLATE, hotwords=(Hotword("Norland"),))

    hear(engine, asked)
    hear(engine, asked, SOUND[:8_000])

    assert engine.asked == [asked, asked]
    assert diary.read_text().split() == ["2000", "500"]


def test_a_script_can_come_from_a_file_for_engines_in_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"texts": ["From a file."], "language": "fr"}))
    engine = ScriptedEngine(EngineSettings(str(path), tmp_path))
    engine.load()

    heard = hear(engine)

    assert (heard.language, [segment.text for segment in heard.segments]) == ("fr", ["From a file."])


def test_an_engine_that_is_not_loaded_does_nothing() -> None:
    engine = scripted(Script(("one",)))
    engine.unload()

    with pytest.raises(RuntimeError, match="load"):
        hear(engine)
