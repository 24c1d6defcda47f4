"""The sentences that make a summary: which, how many, and that they are the text's own."""

import numpy as np
import pytest

from stentor_summarize.engines import Length, Style, Unit
from stentor_summarize.extractive import Vectors, chosen, headline_words
from stentor_summarize.lengths import Goal, goal, word_count
from stentor_summarize.sentences import Sentence, sentences_of

TEXT = (
    "The council approved the repair of five bridges in the town. The work will cost four million and a "
    "half. It will begin in June and last until winter.\n\n"
    '"We waited for this for eleven years," said a baker near the river. Lorries have not crossed the '
    "oldest bridge since last autumn. Shopkeepers say that they have lost a third of their customers.\n\n"
    "A bird was seen on the town hall on Sunday afternoon. Why was that?\n\n"
    "The council approved the repair of five bridges in the town. Short one."
)


def meanings(sentences: tuple[Sentence, ...], subjects: dict[str, int] | None = None) -> Vectors:
    """What a model would make of them: those with a subject's word point its way, the others all ways."""
    rows = np.full((len(sentences), 8), 0.1, dtype=np.float32)
    for number, (row, sentence) in enumerate(zip(rows, sentences, strict=True)):
        row[2 + number % 6] += 0.4
        for word, way in (
            subjects or {"bridge": 0, "council": 0, "work": 0, "lorries": 0, "bird": 1}
        ).items():
            row[way] += word in sentence.text.casefold()
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def picked(words: int = 30, sentences: int | None = None, text: str = TEXT) -> list[str]:
    found = sentences_of(text, "en")
    return [found[index].text for index in chosen(found, meanings(found), Goal(words, sentences), "en")]


def test_the_sentences_are_the_texts_own_in_its_order() -> None:
    found = sentences_of(TEXT, "en")
    indexes = chosen(found, meanings(found), Goal(66, 3), "en")
    assert indexes == sorted(indexes)
    assert all(found[index].text in " ".join(TEXT.split()) for index in indexes)


@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_so_many_sentences_as_were_wanted(wanted: int) -> None:
    assert len(picked(sentences=wanted)) == wanted


@pytest.mark.parametrize("wanted", [15, 25, 40])
def test_words_stay_within_the_tolerance(wanted: int) -> None:
    words = sum(map(word_count, picked(wanted)))
    assert words <= wanted * 1.15
    assert words >= wanted * 0.5


def test_when_every_sentence_is_too_long_the_shortest_is_taken() -> None:
    text = "This is the longer one of the two sentences that stand here. This is the shorter one of the two."
    assert picked(3, text=text) == ["This is the shorter one of the two."]


def test_a_text_shorter_than_wanted_is_kept_but_for_what_it_says_twice() -> None:
    text = "The mill turns with the tide. The mill turns with the tide. Flour is ground on two Sundays."
    assert picked(100, text=text) == [
        "The mill turns with the tide.",
        "Flour is ground on two Sundays.",
    ]


def test_what_the_text_is_about_comes_first() -> None:
    assert picked(sentences=1) == ["The council approved the repair of five bridges in the town."]


def test_fragments_questions_and_repetitions_are_left_out() -> None:
    found = picked(sentences=20)
    assert "Short one." not in found
    assert "Why was that?" not in found
    assert len(found) == len(set(found))


def test_headings_are_left_out() -> None:
    text = (
        "The Bridges of the Old Town\n\nThe council approved the repair of five bridges. Work begins in June."
    )
    assert "The Bridges of the Old Town" not in picked(sentences=3, text=text)


def test_speech_without_marks_is_summarized_too() -> None:
    text = "\n".join(
        [
            "so the council has approved the repair of the five bridges in our town at last",
            "and they say the work will begin in june and then go on until the winter comes",
        ]
    )
    assert len(picked(sentences=1, text=text)) == 1


def test_fragments_are_better_than_nothing() -> None:
    assert picked(sentences=1, text="Yes. No.") in (["Yes."], ["No."])


def test_alike_sentences_are_not_both_taken() -> None:
    found = sentences_of(
        "The council repairs the old bridge. It is the bridge they repair. A bird sat there all day."
    )
    vectors = np.asarray([[1, 0], [0.99, 0.1], [0.6, 0.8]], dtype=np.float32)
    assert chosen(found, vectors, Goal(60, 2)) == [0, 2]
    assert chosen(found, vectors, Goal(60, 3)) == [0, 2]


def test_a_sentence_that_leans_on_the_one_before_gives_way() -> None:
    text = (
        "A mill stands by the quay. He repaired the bridge with oak. The town repaired the bridge with oak."
    )
    assert picked(sentences=1, text=text) != ["He repaired the bridge with oak."]


@pytest.mark.parametrize(
    ("length", "words", "sentences"),
    [
        (Length(Unit.words, 80), 80, None),
        (Length(Unit.ratio, 0.2), 200, None),
        (Length(Unit.ratio, 0.00001), 1, None),
        (Length(Unit.sentences, 3), 66, 3),
    ],
)
def test_what_lengths_come_to(length: Length, words: int, sentences: int | None) -> None:
    assert goal(length, 1000) == Goal(words, sentences)


def test_a_headline_is_one_sentence_whatever_its_length() -> None:
    assert goal(Length(Unit.words, 80), 1000, Style.headline).sentences == 1


def test_words_are_counted_where_no_spaces_are_written() -> None:
    assert word_count("The U.S. council's 4.5 million, twenty-five") == 6
    assert word_count("これは文です。") == 3


def test_a_headline_loses_what_stands_in_brackets_and_its_full_stop() -> None:
    assert headline_words("The mill (built in 1793) turns again, at last.") == "The mill turns again, at last"
    assert headline_words("An odd (one here.") == "An odd (one here"
