"""Words written as the caller writes them: in the text, and in the words with their times."""

import pytest

from stentor_stt.options import Spelling
from stentor_stt.spelling import Speller
from stentor_stt.transcript import Segment, Word


def segment(text: str, *, separator: str | None = None) -> Segment:
    """A segment whose words last 100 ms each and are less sure one after the other."""
    parts = text.split(separator) if separator != "" else list(text)
    words = tuple(
        Word(part, 100 * at, 100 * at + 100, round(0.9 - at / 100, 2)) for at, part in enumerate(parts)
    )
    return Segment(0, 100 * len(parts), text, words, -0.1, 0.0, 1.0, 0.0)


def spelled(text: str, *spellings: tuple[str, str], language: str = "en") -> Segment:
    separator = "" if language == "zh" else None
    speller = Speller([Spelling(*each) for each in spellings], language)
    return speller.spelled(segment(text, separator=separator))


@pytest.mark.parametrize(
    ("text", "spelling", "written"),
    [
        ("We use cube netties.", ("cube netties", "Kubernetes"), "We use Kubernetes."),
        ("CUBE  Netties, I said", ("cube netties", "Kubernetes"), "Kubernetes, I said"),
        ("Ask Jon or jon?", ("JON", "John"), "Ask John or John?"),
        ("Johnson and John's", ("john", "Jon"), "Johnson and Jon's"),
        ("a c++ book", ("c++", "C++"), "a C++ book"),
        ("It costs 5 dollars", ("5 dollars", r"\1 $5"), r"It costs \1 $5"),
        ("Zoë and zoë", ("zoë", "Zoe"), "Zoe and Zoe"),
        ("sten-tor", ("sten", "Sten"), "Sten-tor"),
        ("nothing here", ("other", "OTHER"), "nothing here"),
    ],
)
def test_whole_words_are_replaced_in_any_case(text: str, spelling: tuple[str, str], written: str) -> None:
    found = spelled(text, spelling)

    assert found.text == written
    assert " ".join(word.text for word in found.words) == written


def test_words_that_become_one_last_from_the_first_to_the_last() -> None:
    found = spelled("the big cube netties here", ("cube netties", "Kubernetes"))

    assert [(word.text, word.start_ms, word.end_ms, word.confidence) for word in found.words] == [
        ("the", 0, 100, 0.9),
        ("big", 100, 200, 0.89),
        ("Kubernetes", 200, 400, 0.87),
        ("here", 400, 500, 0.86),
    ]


def test_the_longest_spelling_is_applied_and_none_to_what_another_wrote() -> None:
    found = spelled("new york city", ("new york", "NY"), ("New York City", "york"), ("york", "York"))

    assert found.text == "york"
    assert [word.text for word in found.words] == ["york"]


def test_several_in_one_word_are_all_replaced() -> None:
    found = spelled("foo-foo bar", ("foo", "Foo"))

    assert found.text == "Foo-Foo bar"
    assert [word.text for word in found.words] == ["Foo-Foo", "bar"]


def test_a_language_without_blanks_has_no_whole_words() -> None:
    found = spelled("我在北京", ("北京", "Beijing"), language="zh")

    assert found.text == "我在Beijing"
    assert [word.text for word in found.words] == ["我", "在", "Beijing"]


def test_without_spellings_nothing_changes() -> None:
    assert spelled("as it was") == segment("as it was")
