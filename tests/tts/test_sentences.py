"""Sentences, and the breaths in which long ones are said."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stentor_tts.sentences import BREATH, breaths, sentences
from stentor_tts.speakable import read, spoken


def cut(text: str, language: str = "en") -> list[str]:
    return [each.strip() for each in sentences(text, language)]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith and Mrs. O'Neil met Prof. Jones.",
        "It costs $4.5 million, i.e. 3.14 times as much.",
        "J. K. Rowling wrote it, e.g. with a pen.",
        "The U.S. Army came at 5 p.m. with them.",
        "See Fig. 3 of vol. 2 for more.",
        'She said "Hello there. How are you?" and left.',
        "Visit docs.example.com or version 3.11.7 today.",
        "It weighs approx. 5 kg.",
        "Wait... what is this?",
        "St. Louis vs. Chicago.",
    ],
)
def test_no_abbreviation_number_or_quotation_ends_a_sentence(text: str) -> None:
    assert cut(text) == [text]


def test_marks_end_sentences() -> None:
    text = "One. Two! Three? Really?! Yes... No."
    assert cut(text) == ["One.", "Two!", "Three?", "Really?!", "Yes...", "No."]


def test_the_number_of_an_item_belongs_to_it() -> None:
    assert cut("1. Install it. 2. Run it.") == ["1. Install it.", "2. Run it."]


def test_sentences_of_other_languages_end_where_theirs_do() -> None:
    assert cut("Das ist z. B. gut. Am 3. Mai kam er.", "de") == ["Das ist z. B. gut.", "Am 3. Mai kam er."]
    assert cut("M. Dupont et Mme. Durand. Voir p. 5.", "fr") == ["M. Dupont et Mme. Durand.", "Voir p. 5."]
    assert cut("你好。再见！", "zh") == ["你好。", "再见！"]  # noqa: RUF001


@settings(deadline=None, database=None)
@given(st.text(max_size=300), st.sampled_from(["en", "de", "ja", "xx"]))
def test_nothing_of_a_text_is_lost(text: str, language: str) -> None:
    assert "".join(sentences(text, language)) == text


def test_a_short_sentence_is_one_breath() -> None:
    pieces = read("A sentence of no great length, with a comma.", "en")
    assert list(breaths(pieces)) == [pieces]


def test_a_long_sentence_is_cut_at_its_clauses() -> None:
    clause = "this clause has a number of words in it, "
    parts = list(breaths(read(clause * 20, "en")))
    assert len(parts) > 1
    assert all(spoken(part).endswith("words in it") for part in parts)


def test_a_semicolon_is_a_better_place_than_a_comma() -> None:
    text = "a, b, " * 20 + "so it ends here; " + "c, d, " * 20
    assert spoken(next(breaths(read(text, "en"), limit=160))).endswith("so it ends here")


def test_without_marks_it_is_cut_between_words() -> None:
    words = [f"word{'s' * (index % 7)}" for index in range(200)]
    parts = list(breaths(read(" ".join(words), "en")))
    assert " ".join(spoken(part) for part in parts).split() == words
    # No part is a leftover of a word or two.
    assert min(len(spoken(part)) for part in parts) > BREATH / 4


def test_words_of_a_number_are_cut_where_they_are_many() -> None:
    parts = list(breaths(read("9" * 120, "en")))
    assert " ".join(spoken(part) for part in parts).split() == ["nine"] * 120


@settings(deadline=None, database=None)
@given(
    st.lists(st.text("abcdefg,;:.'", min_size=1, max_size=400), max_size=40),
    st.integers(min_value=20, max_value=300),
)
def test_no_word_is_lost_and_no_breath_is_too_long(words: list[str], limit: int) -> None:
    pieces = read(" ".join(words), "en")
    parts = list(breaths(pieces, limit=limit))
    assert "".join(piece.written for part in parts for piece in part) == " ".join(words)
    said = "".join(piece.spoken for part in parts for piece in part)
    assert said == "".join(piece.spoken for piece in pieces)
    assert all(len("".join(piece.spoken for piece in part)) <= limit for part in parts)
