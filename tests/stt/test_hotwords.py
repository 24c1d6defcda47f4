"""Hot-words: what sounds like one, what a text with them is worth, and recordings heard with them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stentor_dev.debian import NoPackages
from stentor_dev.prompts import prompts
from stentor_stt.engines import Piece
from stentor_stt.engines.hotwords import Edit, Wishes, differences, likeness
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.options import Hotword, Options
from stentor_stt.sound import SAMPLE_RATE, Sound

CACHE = Path(__file__).parents[2] / ".cache"
LONG, SHORT, DISPOSED = "sense-0870.wav", "sense-0880.wav", "sense-0890.wav"

MODERATE = 5.0

Clip = Callable[[str], Sound]


def wishes(*hotwords: tuple[str, float], spaced: bool = True) -> Wishes:
    return Wishes([Hotword(text, boost) for text, boost in hotwords], spaced=spaced)


# Texts


def test_a_text_is_worth_the_boost_for_each_time_it_holds_the_word_in_any_case() -> None:
    wanted = wishes(("Norland Park", 3), ("house", -10))

    assert wanted.worth("NORLAND park, and norland\npark again") == 6
    assert wanted.worth("the House at Norland, park") == -7
    assert wanted.worth("household, norlandpark") == 0


def test_without_spaces_a_word_may_stand_anywhere() -> None:
    assert wishes(("東京", 2), spaced=False).worth("今日は東京です") == 2


def test_words_without_a_boost_or_a_text_are_no_wishes() -> None:
    assert not wishes(("Norland", 0), ("  ", 5))
    assert wishes(("Norland", 0.1)).wanted == ("Norland",)
    assert wishes(("Norland", -0.1)).wanted == ()


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("while those", "Waldo's"),
        ("Elinor", "Eleanor"),
        ("Digim.", "Digium"),
        ("Com friends", "conference"),
        ("Müller", "miller"),
        ("東京と", "東京都"),
    ],
)
def test_what_is_spelt_or_sounds_nearly_the_same_is_alike(heard: str, meant: str) -> None:
    assert likeness(heard, meant) > 0.65
    assert likeness(meant, heard) == likeness(heard, meant)


@pytest.mark.parametrize(("heard", "meant"), [("leisure", "Norland"), ("", "Norland"), ("...", "Norland")])
def test_other_words_are_not(heard: str, meant: str) -> None:
    assert likeness(heard, meant) < 0.4


def test_what_sounds_like_a_hot_word_may_be_it_the_most_alike_first() -> None:
    found = wishes(("Eleanor", 5)).alike(["And", "Elinor,", "Ellen", "or", "Mary"])

    assert found[0] == Edit(1, 2, "Eleanor")
    assert Edit(2, 4, "Eleanor") in found
    assert all(edit.last <= 4 for edit in found)


def test_what_is_there_already_or_is_avoided_is_not_looked_for() -> None:
    assert wishes(("Eleanor", 5)).alike(["eleanor,"]) == []
    assert wishes(("Eleanor", -5)).alike(["Elinor"]) == []


def test_what_is_avoided_is_found_with_all_its_words() -> None:
    words = ["The", "Norland", "Park,", "not", "Norland"]

    assert wishes(("norland park", -5), ("not", 5)).avoided(words) == [(1, 3)]
    assert wishes(("東", -5), spaced=False).avoided(["東", "京", "東"]) == [(0, 1), (2, 3)]


def test_texts_differ_in_words_not_in_case_and_marks() -> None:
    words = ["And", "mr.", "John,", "had", "leisure"]

    found = differences(words, ["and", "Mr", "Jon", "had", "more", "leisure"], " ")

    assert found == [Edit(2, 3, "Jon"), Edit(4, 4, "more")]


def test_an_edit_is_better_by_the_boosts_it_brings_and_takes_away() -> None:
    both = wishes(("Jon", 4), ("John", -2))

    assert both.better(["Mr.", "John"], Edit(1, 2, "Jon")) == 6
    assert both.better(["Mr.", "John"], Edit(1, 2, "")) == 2
    assert both.better(["Mr.", "John"], Edit(0, 1, "mister")) == 0


@pytest.mark.parametrize(
    ("edit", "other", "touch"),
    [
        (Edit(1, 3, "a"), Edit(2, 4, "b"), True),
        (Edit(1, 2, "a"), Edit(2, 3, "b"), False),
        (Edit(2, 2, "a"), Edit(2, 3, "b"), True),
        (Edit(2, 2, "a"), Edit(1, 3, "b"), True),
        (Edit(3, 3, "a"), Edit(1, 3, "b"), False),
        (Edit(0, 5, "a"), Edit(2, 3, "b"), True),
    ],
)
def test_edits_that_touch_cannot_both_be_made(edit: Edit, other: Edit, touch: bool) -> None:
    assert edit.overlaps(other) == other.overlaps(edit) == touch


# Recordings


def said(engine: WhisperEngine, sound: Sound, *hotwords: tuple[str, float], prompt: str | None = None) -> str:
    wanted = tuple(Hotword(text, boost) for text, boost in hotwords)
    (heard,) = engine.hear([Piece(sound, Options(language="en", hotwords=wanted, prompt=prompt))])
    text = " ".join(segment.text for segment in heard.segments)
    # The words are those of the changed text.
    assert [word.text for segment in heard.segments for word in segment.words] == text.split()
    return text


models = pytest.mark.models


@pytest.fixture(scope="module")
def switchboard() -> Sound:
    """The begin of a telephone prompt: "… Super Awesome Company, Waldo's premier provider of perfect …" """
    from faster_whisper import decode_audio

    try:
        found = prompts(CACHE, words=40, count=100)
    except NoPackages as reason:
        pytest.skip(str(reason))
    (path,) = (path for path in found if path.stem == "basic-pbx-ivr-main")
    sound: Sound = decode_audio(str(path))[: 10 * SAMPLE_RATE]
    return sound


@models
def test_two_words_that_were_one_name_become_it(base: WhisperEngine, switchboard: Sound) -> None:
    assert "while those premier provider" in said(base, switchboard).lower()
    assert "Waldo's premier provider" in said(base, switchboard, ("Waldo's", MODERATE))


@models
def test_a_name_is_spelt_as_the_hot_word(base: WhisperEngine, clip: Clip) -> None:
    assert "Mr. John Dashwood had" in said(base, clip(LONG))
    assert "Mr. Jon Dashwoode had" in said(base, clip(LONG), ("Jon", MODERATE), ("Dashwoode", MODERATE))


@models
def test_the_mark_after_a_replaced_word_stays(base: WhisperEngine, clip: Clip) -> None:
    assert said(base, clip(DISPOSED), ("il-disposed", 20)).endswith("is to be il-disposed.")


@models
@pytest.mark.parametrize("boost", [MODERATE, 1_000])
def test_a_hot_word_that_is_not_said_does_not_appear(base: WhisperEngine, clip: Clip, boost: float) -> None:
    names = [(name, boost) for name in ("Norland", "Marianne", "Willoughby", "Kendal")]

    assert said(base, clip(SHORT), *names) == said(base, clip(SHORT))


@models
def test_a_word_that_must_not_appear_is_written_as_another(base: WhisperEngine, clip: Clip) -> None:
    found = said(base, clip(LONG), ("DASHWOOD", -1_000))

    assert "dashwood" not in found.lower()
    assert "had then leisure to consider how much" in found


@models
def test_a_word_without_another_is_left_out(base: WhisperEngine, clip: Clip) -> None:
    found = said(base, clip(SHORT), ("young", -1_000))

    assert "young" not in found.lower()
    assert found.startswith("He was not an ill-disposed")
    assert "man" in found


@models
def test_several_words_must_not_appear_together(base: WhisperEngine, clip: Clip) -> None:
    found = said(base, clip(LONG), ("John Dashwood", -1_000))

    assert "John Dashwood" not in found
    assert "Dashwood" in found


@models
def test_a_word_that_was_certainly_said_is_not_given_up_for_little(base: WhisperEngine, clip: Clip) -> None:
    assert said(base, clip(LONG), ("Dashwood", -1)) == said(base, clip(LONG))


@models
def test_a_prompt_is_listened_to_beside_hot_words(base: WhisperEngine, clip: Clip) -> None:
    found = said(base, clip(LONG), ("Dashwoode", MODERATE), prompt="prudently, leisure")

    assert "Dashwoode had then leisure" in found


@models
def test_more_hot_words_than_the_model_can_be_told_are_listened_for(base: WhisperEngine, clip: Clip) -> None:
    names = [(f"Name Number{number}", MODERATE) for number in range(150)]

    assert "Dashwoode" in said(base, clip(LONG), *names, ("Dashwoode", 20))


@models
def test_hot_words_of_one_piece_do_not_change_another(base: WhisperEngine, clip: Clip) -> None:
    plain = Options(language="en")
    wanted = Options(language="en", hotwords=(Hotword("Dashwoode", MODERATE),))

    before, after = base.hear([Piece(clip(LONG), plain), Piece(clip(LONG), wanted)])

    assert "Dashwood had" in before.segments[0].text
    assert "Dashwoode had" in after.segments[0].text
