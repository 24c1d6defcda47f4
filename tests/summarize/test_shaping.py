"""What is kept of an answer that became too long or was cut off."""

import pytest

from stentor_summarize.engines import Style
from stentor_summarize.lengths import Goal
from stentor_summarize.shaping import tidied, within

FOUR = "One comes here. Two comes here. Three comes here. Four comes here."


@pytest.mark.parametrize(
    ("aim", "kept"),
    [
        (Goal(44, 2), "One comes here. Two comes here."),
        (Goal(6, None), "One comes here. Two comes here."),
        (Goal(1, None), "One comes here."),
        (Goal(100, None), FOUR),
    ],
)
def test_sentences_that_are_too_many_are_left_out(aim: Goal, kept: str) -> None:
    assert within(FOUR, aim, Style.paragraph, "en") == kept


def test_points_that_are_too_many_are_left_out() -> None:
    assert (
        within("- One. And more.\n- Two.\n- Three.", Goal(44, 2), Style.bullets, "en")
        == "- One. And more.\n- Two."
    )


def test_a_sentence_without_end_goes_when_the_model_was_cut_off() -> None:
    assert (
        within("One comes here. Two com", Goal(50, None), Style.paragraph, "en", cut_off=True)
        == "One comes here."
    )
    assert within("One com", Goal(50, None), Style.paragraph, "en", cut_off=True) == "One com"
    assert within("One comes here. Two com", Goal(50, None), Style.paragraph, "en").endswith("Two com")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Here is a short summary of the text:\n\nThe mill turns.", "The mill turns."),
        ("Sure! Here's the summary: The mill turns.", "The mill turns."),
        ("Summary: The **mill** turns.", "The mill turns."),
        ("## Summary:\nThe mill turns.", "The mill turns."),
        ("Here is what happened: the mill turns.", "Here is what happened: the mill turns."),
        ("The council gave a reason: the mill.", "The council gave a reason: the mill."),
        ("<think>hm</think>\nThe mill turns.", "The mill turns."),
    ],
)
def test_what_models_put_around_an_answer_is_taken_off(said: str, kept: str) -> None:
    assert tidied(said) == kept
