"""Subtitles: valid files, and cues that a person can read."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
import srt
import webvtt

from stentor_stt.subtitles import CueShape, cues, to_srt, to_text, to_vtt
from stentor_stt.transcript import Segment, Transcript, Word, joined

AUSTEN = (
    "The family of Dashwood had long been settled in Sussex. Their estate was large, and their residence was "
    "at Norland Park, in the centre of their property, where, for many generations, they had lived in so "
    "respectable a manner as to engage the general good opinion of their surrounding acquaintance."
)


def spoken(text: str, *, ms_a_word: int = 400, pause_after: dict[str, int] | None = None) -> list[Word]:
    """The words of a text one after the other, with pauses after some."""
    words = []
    clock = 0
    for each in text.split():
        words.append(Word(each, clock, clock + ms_a_word, 0.9))
        clock += ms_a_word + (pause_after or {}).get(each, 0)
    return words


def transcript(
    text: str, words: list[Word] | None = None, end_ms: int = 0, language: str = "en"
) -> Transcript:
    end_ms = end_ms or (words[-1].end_ms if words else 0)
    segment = Segment(0, end_ms, text, tuple(words or ()), -0.1, 0.0, 1.0, 0.0)
    return joined([(0, [segment])], duration_ms=end_ms, language=language, language_confidence=1.0)


def shown(found: Transcript, shape: CueShape | None = None) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues(found, shape)]


@pytest.fixture(params=["with word times", "without word times"])
def austen(request: pytest.FixtureRequest) -> Transcript:
    words = spoken(AUSTEN)
    return transcript(AUSTEN, words if request.param == "with word times" else None, words[-1].end_ms)


def test_srt_is_numbered_from_one_with_a_comma_in_its_times() -> None:
    found = transcript("Hello. Bye.", spoken("Hello. Bye.", ms_a_word=1_500))

    assert to_srt(found) == (
        "1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n00:00:01,500 --> 00:00:03,000\nBye.\n"
    )


def test_vtt_has_its_header_and_a_point_in_its_times() -> None:
    found = transcript("Hello.", spoken("Hello.", ms_a_word=3_661_234))

    assert to_vtt(found, CueShape(max_cue_seconds=9_999)) == (
        "WEBVTT\n\n00:00:00.000 --> 01:01:01.234\nHello.\n"
    )


def test_markup_in_the_text_is_escaped_in_vtt() -> None:
    found = transcript("a <b> & --> c", spoken("a <b> & --> c"))

    assert "\na &lt;b&gt; &amp; --&gt; c\n" in to_vtt(found)


def test_an_arrow_in_the_text_cannot_pass_for_times_in_srt() -> None:
    assert to_srt(transcript("a --> c", spoken("a --> c"))).count("-->") == 1


def test_cues_keep_to_the_lines_the_width_and_the_time(austen: Transcript) -> None:
    found = cues(austen)

    assert all(len(cue.lines) <= 2 and all(len(line) <= 42 for line in cue.lines) for cue in found)
    assert all(0 < cue.end_ms - cue.start_ms <= 7_000 for cue in found)


def test_cues_say_every_word_once_and_in_order(austen: Transcript) -> None:
    assert " ".join(line for lines in shown(austen) for line in lines) == AUSTEN


def test_cues_do_not_overlap_and_end_with_the_audio(austen: Transcript) -> None:
    found = cues(austen)

    assert all(one.end_ms <= other.start_ms for one, other in pairwise(found))
    assert found[-1].end_ms <= austen.duration_ms


def test_a_sentence_end_ends_the_cue(austen: Transcript) -> None:
    assert shown(austen)[0] == ("The family of Dashwood had", "long been settled in Sussex.")


def test_a_title_does_not_end_a_sentence() -> None:
    text = "And then Mr. Dashwood had leisure."

    assert shown(transcript(text, spoken(text))) == [(text,)]


def test_a_very_short_sentence_stays_with_the_next() -> None:
    text = "No. I said so before."

    assert shown(transcript(text, spoken(text, ms_a_word=300))) == [(text,)]


def test_a_pause_ends_the_cue() -> None:
    words = spoken("so he waited and then went", pause_after={"waited": 1_500})

    assert shown(transcript("so he waited and then went", words)) == [("so he waited",), ("and then went",)]


@pytest.mark.parametrize("timed", [True, False])
def test_a_cue_is_of_one_speaker(timed: bool) -> None:
    said = [("A", "Are you"), ("B", "Yes I am"), ("A", "sure")]
    segments = []
    for start, (speaker, text) in zip((0, 500, 1_000), said, strict=True):
        words = [replace(word.shifted(start), speaker=speaker) for word in spoken(text, ms_a_word=150)]
        segment = Segment(start, start + 450, text, tuple(words), -0.1, 0.0, 1.0, 0.0, speaker=speaker)
        segments.append(segment if timed else replace(segment, words=()))
    found = joined([(0, segments)], duration_ms=1_500, language="en", language_confidence=1.0)

    assert shown(found) == [("Are you",), ("Yes I am",), ("sure",)]


def test_people_who_speak_at_once_have_cues_that_overlap() -> None:
    left, right = (
        Segment(start, start + 4_000, text, (), -0.1, 0.0, 1.0, 0.0, channel=channel)
        for channel, start, text in ((0, 0, "What do you mean?"), (1, 1_000, "Nothing at all."))
    )
    found = Transcript("What do you mean? Nothing at all.", "en", 1.0, 5_000, (left, right))

    assert [(cue.start_ms, cue.end_ms) for cue in cues(found)] == [(0, 4_000), (1_000, 5_000)]


def test_a_full_cue_ends_at_a_comma_where_there_is_one() -> None:
    text = "If they had been asked about it then and there, they would have said that nobody knew"

    first = shown(transcript(text, spoken(text)))[0]

    assert first[-1].endswith("there,")


def test_a_short_cue_stays_up_for_a_second_when_there_is_room() -> None:
    words = [Word("Oh!", 1_000, 1_200, 0.9), Word("Really", 4_000, 4_500, 0.9)]

    first = cues(transcript("Oh! Really", words))[0]

    assert (first.start_ms, first.end_ms) == (1_000, 2_000)


def test_what_was_said_fast_stays_up_to_be_read_when_there_is_room() -> None:
    text = "incomprehensibilities notwithstanding, she replied"
    fast = spoken(text, ms_a_word=300)
    later = [word.shifted(9_000) for word in spoken("Oh!")]

    first = cues(transcript(f"{text} Oh!", [*fast, *later]))[0]

    assert fast[-1].end_ms == 1_200
    assert first.end_ms == len("".join(first.lines)) * 1_000 // 17 + 1


def test_reading_time_is_not_taken_from_the_next_cue() -> None:
    text = "incomprehensibilities notwithstanding. Oh!"

    first, second = cues(transcript(text, spoken(text, ms_a_word=600)))

    assert first.end_ms == second.start_ms


def test_a_word_of_no_length_is_still_shown() -> None:
    (cue,) = cues(transcript("Hm", [Word("Hm", 900, 900, 0.5)], end_ms=900))

    assert cue.end_ms > cue.start_ms


@pytest.mark.parametrize("timed", [True, False])
def test_text_without_spaces_is_cut_by_its_width(timed: bool) -> None:
    text = "むかしむかしあるところにおじいさんとおばあさんがすんでいましたおじいさんはやまへしばかりに"
    words = [Word(letter, at * 100, at * 100 + 100, 0.9) for at, letter in enumerate(text)]

    found = shown(transcript(text, words if timed else None, len(text) * 100, language="ja"))

    assert "".join(line for lines in found for line in lines) == text
    assert all(len(line) <= 21 for lines in found for line in lines)


TROUBLE = [
    AUSTEN,
    "a <b> & --> c. 1811\u2028 <i>1812</i> -- NOTE that 00:00:01.000 --> 00:00:02.000. STYLE ::cue { }",
    "WEBVTT. X-TIMESTAMP-MAP=LOCAL. {\\an8} A line. &amp; so on &lrm; ‏שלום‏. 1. 2. 3.",
    "むかしむかしあるところに、おじいさんとおばあさんがすんでいました。",
]


@pytest.mark.parametrize("text", TROUBLE)
@pytest.mark.parametrize("timed", [True, False])
def test_other_peoples_parsers_read_the_same_cues(text: str, timed: bool) -> None:
    words = spoken(text, ms_a_word=350)
    found = transcript(text, words if timed else None, words[-1].end_ms)
    expected = [("\n".join(cue.lines), cue.start_ms, cue.end_ms) for cue in cues(found)]

    from_srt = list(srt.parse(to_srt(found)))
    assert [each.index for each in from_srt] == list(range(1, len(expected) + 1))
    assert [(each.content, _ms(each.start), _ms(each.end)) for each in from_srt] == [
        (shown.replace("-->", "→"), start, end) for shown, start, end in expected
    ]
    from_vtt = webvtt.from_string(to_vtt(found)).captions
    assert [html.unescape(each.raw_text) for each in from_vtt] == [shown for shown, _, _ in expected]
    times = [(_of_clock(each.start), _of_clock(each.end)) for each in from_vtt]
    assert times == [(start, end) for _, start, end in expected]


def _ms(time: timedelta) -> int:
    return time // timedelta(milliseconds=1)


def _of_clock(shown: str) -> int:
    hours, minutes, seconds = shown.split(":")
    return _ms(timedelta(hours=int(hours), minutes=int(minutes), milliseconds=int(seconds.replace(".", ""))))


def test_nothing_said_gives_empty_but_valid_files() -> None:
    silent = joined([], duration_ms=5_000, language=None, language_confidence=None)

    assert (to_srt(silent), to_vtt(silent), to_text(silent)) == ("", "WEBVTT\n", "")


def test_no_cue_holds_an_empty_line() -> None:
    text = "one\n\ntwo  three"
    blocks = to_srt(transcript(text, end_ms=3_000)).split("\n\n")

    assert [block.count("\n") for block in blocks] == [3]
    assert re.search(r"one two three$", blocks[0])


def test_plain_text_is_one_line() -> None:
    assert to_text(transcript("Hello there.", spoken("Hello there."))) == "Hello there.\n"
