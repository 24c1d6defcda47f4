"""Whisper on recorded speech: how well it hears, alone and in batches, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import jiwer
import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_common.shelf import ModelNotFound
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.errors import TaskNotOffered, UnknownLanguage
from stentor_stt.options import Options, Task
from stentor_stt.sound import SAMPLE_RATE, Sound, milliseconds
from stentor_stt.transcript import Flag, Word

SPEECH = Path(__file__).parents[1] / "speech"
TEXTS: dict[str, str] = json.loads((SPEECH / "texts.json").read_text())

LONG, SHORT, LAST = "sense-0870.wav", "sense-0880.wav", "sense-0930.wav"

Clip = Callable[[str], Sound]

pytestmark = [pytest.mark.models, pytest.mark.timeout(300)]


def hear(engine: WhisperEngine, sound: Sound, options: Options | None = None) -> Heard:
    (heard,) = engine.hear([Piece(sound, options or Options())])
    return heard


def said(heard: Heard) -> str:
    return " ".join(segment.text for segment in heard.segments)


def words(heard: Heard) -> list[Word]:
    return [word for segment in heard.segments for word in segment.words]


def silence(seconds: float) -> Sound:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


# What is heard


@pytest.mark.parametrize(("model", "allowed"), [("base", 0.05), ("tiny", 0.08)])
def test_few_words_are_wrong(request: pytest.FixtureRequest, clip: Clip, model: str, allowed: float) -> None:
    engine: WhisperEngine = request.getfixturevalue(model)
    plain = EnglishTextNormalizer()

    heard = engine.hear([Piece(clip(name), Options()) for name in TEXTS])

    texts = [plain(said(each)) for each in heard]
    assert jiwer.wer([plain(text) for text in TEXTS.values()], texts) <= allowed


def test_a_sentence_that_is_said_again_is_written_again(base: WhisperEngine, clip: Clip) -> None:
    again = np.concatenate([clip(LAST), silence(0.4)] * 4)

    heard = hear(base, again)

    assert said(heard).lower().count("he might even have been made amiable himself") == 4
    starts = [word.start_ms for word in words(heard) if word.text == "amiable"]
    assert np.diff(starts).tolist() == pytest.approx([milliseconds(len(again) // 4)] * 3, abs=300)


def test_the_language_is_detected(base: WhisperEngine, clip: Clip) -> None:
    heard = hear(base, clip(LONG))

    assert heard.language == "en"
    assert heard.language_confidence is not None
    assert heard.language_confidence > 0.9


def test_a_language_that_was_given_is_certain(base: WhisperEngine, clip: Clip) -> None:
    heard = hear(base, clip(LONG), Options(language="en"))

    assert (heard.language, heard.language_confidence) == ("en", 1.0)


def test_text_in_a_language_that_is_not_spoken_is_flagged(base: WhisperEngine, clip: Clip) -> None:
    heard = hear(base, clip(SHORT), Options(language="fr", temperature=0.0))

    assert {flag for segment in heard.segments for flag in segment.flags} == {Flag.IMPROBABLE}


def test_what_is_well_heard_has_no_flag(base: WhisperEngine, clip: Clip) -> None:
    (segment,) = hear(base, clip(LONG)).segments

    assert (segment.flags, segment.temperature) == ((), 0.0)
    assert -0.5 < segment.avg_logprob < 0
    assert segment.no_speech_probability < 0.1
    assert 0.8 < segment.compression_ratio < 1.5
    assert len(segment.tokens) > 20


def test_a_prompt_shows_how_a_name_is_spelt(base: WhisperEngine, clip: Clip) -> None:
    assert "John Dashwood had" in said(hear(base, clip(LONG)))
    assert "Dashwoode had" in said(hear(base, clip(LONG), Options(prompt="Jon Dashwoode")))


def test_a_prompt_may_be_longer_than_the_model_can_take(base: WhisperEngine, clip: Clip) -> None:
    assert "Dashwoode had" in said(hear(base, clip(LONG), Options(prompt="Jon Dashwoode " * 200)))


def test_a_temperature_can_be_asked_for(base: WhisperEngine, clip: Clip) -> None:
    heard = hear(base, clip(SHORT), Options(temperature=0.2))

    assert {segment.temperature for segment in heard.segments} == {0.2}
    assert "young man" in said(heard)


def test_a_model_that_knows_many_languages_translates(base: WhisperEngine, clip: Clip) -> None:
    assert "young man" in said(hear(base, clip(SHORT), Options(task=Task.TRANSLATE)))


# When it is said


def test_words_have_rising_times_within_the_sound(base: WhisperEngine, clip: Clip) -> None:
    sound = clip(LONG)

    found = words(hear(base, sound))

    times = [time for word in found for time in (word.start_ms, word.end_ms)]
    assert len(found) > 15
    assert times == sorted(times)
    assert times[-1] <= milliseconds(len(sound))
    assert all(0 <= word.confidence <= 1 for word in found)


def test_words_are_what_stands_between_blanks(base: WhisperEngine, clip: Clip) -> None:
    heard = hear(base, clip(SHORT))

    assert "ill-disposed" in said(heard)
    assert [word.text for word in words(heard)] == said(heard).split()


def test_word_times_are_left_out_when_not_wanted(tiny: WhisperEngine, clip: Clip) -> None:
    (segment,) = hear(tiny, clip(SHORT), Options(word_times=False)).segments

    assert segment.words == ()
    assert segment.text


def test_a_pause_is_no_part_of_a_word(tiny: WhisperEngine, clip: Clip) -> None:
    heard = hear(tiny, np.concatenate([clip(SHORT), silence(12), clip(LAST)]))

    assert heard.segments[0].end_ms < 3_500
    assert heard.segments[-1].start_ms > 14_000


# Where nobody speaks


@pytest.mark.parametrize("seconds", [5, 0.001, 0])
def test_silence_says_nothing_in_no_language(tiny: WhisperEngine, seconds: float) -> None:
    assert tiny.hear([Piece(silence(seconds), Options(), find_speech=True)]) == [Heard(None, None, ())]


@pytest.mark.parametrize("seconds", [0.001, 0])
def test_next_to_no_sound_says_nothing(tiny: WhisperEngine, seconds: float) -> None:
    assert hear(tiny, silence(seconds)) == Heard(None, None, ())


def test_speech_is_found_where_it_is_wanted(tiny: WhisperEngine, clip: Clip) -> None:
    sound = np.concatenate([silence(2), clip(SHORT), silence(2)])

    (heard,) = tiny.hear([Piece(sound, Options(), find_speech=True)])

    assert heard.speech[0][0] == pytest.approx(2_000, abs=500)
    assert heard.speech[-1][1] == pytest.approx(2_000 + milliseconds(len(clip(SHORT))), abs=500)
    assert heard.segments[0].start_ms == pytest.approx(2_000, abs=500)
    assert heard.segments[0].window_ms == pytest.approx(heard.speech[0][0] - 300, abs=1)


def test_noise_is_not_heard_where_speech_is_looked_for(tiny: WhisperEngine) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 5 * SAMPLE_RATE).astype(np.float32)

    (heard,) = tiny.hear([Piece(noise, Options(), find_speech=True)])

    assert heard == Heard(None, None, (), ())


# Batches


def test_what_a_piece_says_does_not_depend_on_its_neighbours(base: WhisperEngine, clip: Clip) -> None:
    pieces = [
        Piece(clip(LONG), Options()),
        Piece(clip(SHORT), Options(language="en", word_times=False)),
        Piece(silence(3), Options(), find_speech=True),
        Piece(clip("sense-0890.wav"), Options(language="fr", temperature=0.0)),
        Piece(clip(LAST), Options(prompt="Amyable", language="en"), find_speech=True),
        Piece(clip("sense-0920.wav"), Options(task=Task.TRANSLATE)),
        Piece(np.concatenate([clip(LAST), silence(0.4)] * 4), Options()),
    ]

    together = base.hear(pieces)
    turned = base.hear(pieces[::-1])[::-1]
    alone = [base.hear([piece])[0] for piece in pieces]

    assert [said(heard) for heard in together] == [said(heard) for heard in alone]
    assert [said(heard) for heard in together] == [said(heard) for heard in turned]
    for heard, other in zip(together, alone, strict=True):
        assert heard.language == other.language
        assert [word.start_ms for word in words(heard)] == pytest.approx(
            [word.start_ms for word in words(other)], abs=60
        )


def test_no_pieces_say_nothing(tiny: WhisperEngine) -> None:
    assert tiny.hear([]) == []


def test_more_pieces_than_go_through_the_model_at_once_are_heard_in_order(
    tiny: WhisperEngine, clip: Clip
) -> None:
    pieces = [Piece(clip(name), Options(word_times=False)) for name in (SHORT, LAST) for _ in range(18)]

    heard = [said(each) for each in tiny.hear(pieces)]

    assert all("young man" in text for text in heard[:18])
    assert all("might even" in text for text in heard[18:])


# What is refused


@pytest.mark.parametrize("language", ["xx", "English", ""])
def test_an_unknown_language_is_refused_with_some_that_are_known(
    base: WhisperEngine, clip: Clip, language: str
) -> None:
    with pytest.raises(UnknownLanguage, match=r"whisper-base; use one of en, es, fr, de, zh and more"):
        base.check(Options(language=language))

    with pytest.raises(UnknownLanguage):
        hear(base, clip(SHORT), Options(language=language))


def test_an_english_only_model_refuses_other_languages(tiny: WhisperEngine) -> None:
    with pytest.raises(UnknownLanguage, match=r"whisper-tiny\.en; use one of en,"):
        tiny.check(Options(language="fr"))

    assert tiny.languages() == {"en"}


def test_an_english_only_model_refuses_to_translate(tiny: WhisperEngine) -> None:
    with pytest.raises(TaskNotOffered, match="English only"):
        tiny.check(Options(task=Task.TRANSLATE))


# Loading


def test_loading_twice_loads_once_and_unloading_lets_go(tmp_path: Path, clip: Clip) -> None:
    engine = WhisperEngine(EngineSettings("tiny.en", tmp_path, offline=True, threads=1))
    engine.load()
    engine.load()
    assert hear(engine, clip(SHORT)).segments

    engine.unload()

    with pytest.raises(RuntimeError, match="load"):
        hear(engine, clip(SHORT))
    engine.load()
    assert hear(engine, clip(SHORT)).segments


def test_a_model_that_is_nowhere_is_missed_when_loading(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="large-v3"):
        WhisperEngine(EngineSettings("large-v3", tmp_path, offline=True)).load()
