"""Long texts are cut so that nothing is lost, and where it hurts least."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest

from stentor_summarize.passages import cut, joined
from stentor_summarize.sentences import paragraphs, sentences_of
from stentor_summarize.turns import turn_starts

LIMIT = 20

PIECES = (
    *("The tide turned at noon. ", "Why? ", "Dr. Low paid $4.5 million (so he says). ", "no full stop here"),
    *("\n", "\n\n", "\r\n\r\n", " \n \n", "\t", "   ", "- a point\n", "1. first\n", "Anna: I will go.\n"),
    *(
        "[00:01:02] Bo Ek: Yes! ",
        "これは文です。次の文です！",  # noqa: RUF001
        "Überall „Zitate“. ",
        "é" * 30,
        "x" * 70,
        "👩‍👩‍👧 ",
    ),
    *("e.g. this, i.e. that. ", '"Quoted." he said. ', "...", "?!", "a" + "\u0301" * 5),
)


def words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def quarters(texts: Sequence[str]) -> list[int]:
    """A tokenizer that makes a token of every four characters, and some more where texts are joined."""
    return [len(text) // 4 + text.count("\n") + 1 for text in texts]


@pytest.mark.parametrize("count", [words, quarters])
def test_passages_together_are_the_text_and_each_fits(count: object) -> None:
    assert callable(count)
    chance = random.Random(7)  # noqa: S311 - the same texts each time
    for _ in range(150):
        text = "".join(chance.choices(PIECES, k=chance.randint(0, 60)))
        passages = cut(text, limit=LIMIT, count=count)
        assert "".join(each.text for each in passages) == text
        assert all(count([each.shown])[0] <= LIMIT + 3 for each in passages)
        assert all(each.text for each in passages)


def test_sentences_cover_the_text_from_start_to_end() -> None:
    chance = random.Random(8)  # noqa: S311 - the same texts each time
    for _ in range(150):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 60)))
        found = sentences_of(text)
        if not text.strip():
            assert found == ()
            continue
        assert (found[0].start, found[-1].end) == (0, len(text))
        assert all(one.end == other.start for one, other in pairwise(found))
        if not turn_starts(text):
            said = "".join(each.text for each in found)
            assert "".join(said.split()) == "".join(text.split())


def test_a_text_that_fits_is_one_passage() -> None:
    [passage] = cut("One. Two.\n\nThree.", limit=3, count=words)
    assert passage.text == "One. Two.\n\nThree."


def test_no_text_has_no_passages() -> None:
    assert cut("", limit=3, count=words) == []


def test_paragraphs_stay_whole_where_they_fit() -> None:
    text = "a b c d e\n\nf g h i j\n\nk l m n o\n\np q r s t"
    assert [each.text for each in cut(text, limit=11, count=words)] == [
        "a b c d e\n\nf g h i j\n\n",
        "k l m n o\n\np q r s t",
    ]


def test_a_long_paragraph_is_cut_between_sentences() -> None:
    text = "The first sentence is here. The second one follows it. The third ends all."
    assert [each.text for each in cut(text, limit=6, count=words)] == [
        "The first sentence is here. ",
        "The second one follows it. ",
        "The third ends all.",
    ]


def test_a_sentence_without_end_is_cut_between_words_and_a_word_between_letters() -> None:
    assert [each.text for each in cut("one two three four", limit=2, count=words)] == [
        "one two ",
        "three four",
    ]
    letters = cut("abcdefgh", limit=2, count=lambda texts: [len(text) for text in texts])
    assert [each.text for each in letters] == ["ab", "cd", "ef", "gh"]


def test_passages_are_about_equally_long() -> None:
    text = "\n\n".join(["one two three four"] * 6)
    assert [words([each.text])[0] for each in cut(text, limit=21, count=words)] == [12, 12]


def test_turns_of_a_transcript_stay_whole() -> None:
    text = "Anna: We need a plan.\nAnd soon.\nBo: I have one here.\nAnna: Then show it to us."
    assert paragraphs(text) == [
        "Anna: We need a plan.\nAnd soon.\n",
        "Bo: I have one here.\n",
        "Anna: Then show it to us.",
    ]


def test_a_turn_that_is_cut_names_its_speaker_again() -> None:
    text = "Bo: Yes.\nAnna: The first thing is this. The second thing is that. The third is it.\nBo: No."
    found = cut(text, limit=9, count=words)
    assert "".join(each.text for each in found) == text
    assert [each.shown for each in found] == [
        "Bo: Yes.\nAnna: The first thing is this. ",
        "Anna: The second thing is that. ",
        "Anna: The third is it.\n",
        "Bo: No.",
    ]


def test_one_line_with_a_colon_is_no_transcript() -> None:
    assert turn_starts("Note: the ferry is late.\nIt comes at noon.\nBring a book.") == []


def test_speakers_with_times_before_them_are_known() -> None:
    found = turn_starts("[00:01:02] Speaker 1: Hello.\n[00:01:05] Speaker 2: Hi.\n(1:10) Speaker 1: Well.")
    assert [speaker for _, speaker in found] == ["Speaker 1", "Speaker 2", "Speaker 1"]


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    found = sentences_of("Dr. Smith paid $4.5 million on Jan. 5. The U.S. won. See fig. 3.", "en")
    assert [each.text for each in found] == [
        "Dr. Smith paid $4.5 million on Jan. 5.",
        "The U.S. won.",
        "See fig. 3.",
    ]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        (
            "Das kostet z. B. 5 Euro. Am 3. Mai kam er.",
            "de",
            ["Das kostet z. B. 5 Euro.", "Am 3. Mai kam er."],
        ),
        ("¿Cómo está? El Sr. Díaz no vino.", "es", ["¿Cómo está?", "El Sr. Díaz no vino."]),
        ("これは文です。次の文です！", "ja", ["これは文です。", "次の文です！"]),  # noqa: RUF001
        ("यह पहला है। यह दूसरा है।", "hi", ["यह पहला है।", "यह दूसरा है।"]),
    ],
)
def test_sentences_of_other_languages(text: str, language: str, expected: list[str]) -> None:
    assert [each.text for each in sentences_of(text, language)] == expected


def test_wrapped_lines_are_one_sentence_and_list_items_are_several() -> None:
    wrapped = "The harbour was closed for most of the\nwinter because of the storms that came."
    assert len(sentences_of(wrapped)) == 1
    assert sentences_of(wrapped)[0].text == wrapped.replace("\n", " ")
    assert [each.text for each in sentences_of("To do:\n- buy flour\n- bake bread")] == [
        "To do:",
        "- buy flour",
        "- bake bread",
    ]


def test_sentences_know_their_paragraph_and_speaker() -> None:
    found = sentences_of("Anna: Good. Shall we?\nBo: Yes.\nAnna: Fine.")
    assert [(each.text, each.speaker, each.paragraph) for each in found] == [
        ("Good.", "Anna", 0),
        ("Shall we?", "Anna", 0),
        ("Yes.", "Bo", 1),
        ("Fine.", "Anna", 2),
    ]


def test_partial_summaries_become_paragraphs() -> None:
    assert joined(["One. ", "", "\nTwo."]) == "One.\n\nTwo."
