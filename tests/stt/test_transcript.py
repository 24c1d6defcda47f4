"""A transcript: joining windows, confidence, and storing."""

import json
import math

import pytest

from stentor_stt.transcript import Segment, Transcript, Word, joined


def segment(start_ms: int, end_ms: int, text: str, *words: Word, logprob: float = -0.2) -> Segment:
    return Segment(start_ms, end_ms, text, words, logprob, 0.01, 1.2, 0.0)


def whole(
    *pieces: tuple[int, list[Segment]], duration_ms: int = 10_000, language: str | None = "en"
) -> Transcript:
    return joined(pieces, duration_ms=duration_ms, language=language, language_confidence=0.9)


def test_windows_are_joined_with_their_times_shifted() -> None:
    hello = segment(100, 900, "Hello there.", Word("Hello", 100, 400, 0.9), Word("there.", 500, 900, 0.8))
    again = segment(0, 700, "Again.", Word("Again.", 0, 700, 0.7))

    found = whole((0, [hello]), (5_000, [again]))

    assert found.text == "Hello there. Again."
    assert [(s.start_ms, s.end_ms) for s in found.segments] == [(100, 900), (5_000, 5_700)]
    assert [(w.text, w.start_ms) for w in found.words] == [("Hello", 100), ("there.", 500), ("Again.", 5_000)]


def test_times_rise_and_stay_within_the_audio() -> None:
    unruly = [
        segment(-50, 1_200, "One two", Word("One", -50, 700, 1.0), Word("two", 600, 1_200, 1.0)),
        segment(1_100, 2_500, "three", Word("three", 1_100, 2_500, 1.0)),
    ]

    found = whole((0, unruly), duration_ms=2_000)

    times = [time for word in found.words for time in (word.start_ms, word.end_ms)]
    assert times == [0, 700, 700, 1_200, 1_200, 2_000]
    assert [(s.start_ms, s.end_ms) for s in found.segments] == [(0, 1_200), (1_200, 2_000)]


@pytest.mark.parametrize(("language", "text"), [("ja", "はい。そうです。"), ("fr", "はい。 そうです。")])
def test_languages_without_spaces_are_joined_without_them(language: str, text: str) -> None:
    found = whole((0, [segment(0, 1, "はい。"), segment(1, 2, "そうです。")]), language=language)

    assert found.text == text


def test_a_translation_is_joined_in_the_language_it_is_written_in() -> None:
    pieces = [(0, [segment(0, 1, "Yes."), segment(1, 2, "So it is.")])]

    found = joined(pieces, duration_ms=2, language="ja", language_confidence=0.9, text_language="en")

    assert (found.text, found.language) == ("Yes. So it is.", "ja")


def test_confidence_is_the_mean_of_the_words_by_their_length() -> None:
    words = (Word("long", 0, 900, 1.0), Word("short", 900, 1_000, 0.0))

    assert whole((0, [segment(0, 1_000, "long short", *words)])).confidence == pytest.approx(0.9)


def test_confidence_without_word_times_comes_from_the_segments() -> None:
    assert whole((0, [segment(0, 500, "said", logprob=-0.5)])).confidence == pytest.approx(math.exp(-0.5))


def test_silence_has_no_confidence_no_language_and_no_text() -> None:
    found = whole((0, []), language=None)

    assert (found.text, found.confidence, found.language, found.words) == ("", None, None, ())


def test_a_transcript_survives_being_stored_as_json() -> None:
    found = whole((0, [segment(0, 700, "Again.", Word("Again.", 0, 700, 0.7))]))

    assert Transcript.from_json(json.loads(json.dumps(found.to_json()))) == found
