"""What was decided and who does what, as the sentences themselves say it."""

import pytest

from stentor_summarize.minutes import Minutes, minutes_of
from stentor_summarize.sentences import sentences_of


def minutes(text: str) -> Minutes:
    return minutes_of(sentences_of(text, "en"))


@pytest.mark.parametrize(
    ("text", "owner", "due"),
    [
        ("Anna will send the report by Friday.", "Anna", "by Friday"),
        ("Anna to send the report by Friday.", "Anna", "by Friday"),
        (
            "Anna and Tom will prepare the slides before the next meeting.",
            "Anna and Tom",
            "before the next meeting",
        ),
        ("Tom agreed to review the contract within two weeks.", "Tom", "within two weeks"),
        ("Next, Anna will check the figures.", "Anna", None),
        ("Legal needs to sign the lease by 2025-03-01.", "Legal", "by 2025-03-01"),
        ("The finance team will pay the invoice tomorrow.", "The finance team", "tomorrow"),
        ("Dr. Meyer is responsible for the audit.", "Dr. Meyer", None),
        ("Tom, could you put a link on the page by 5 pm?", "Tom", "by 5 pm"),
        ("We need to rewrite the leaflet before the end of the month.", None, "before the end of the month"),
        ("You must submit the form no later than 3 May 2025.", None, "no later than 3 May 2025"),
        ("Please call the plumber as soon as possible.", None, "as soon as possible"),
        ("Action: book the room before next Tuesday", None, "before next Tuesday"),
        ("She’ll be late, but I’ll write the letter today.", None, "today"),  # noqa: RUF001
    ],
)
def test_tasks_with_their_owner_and_date(text: str, owner: str | None, due: str | None) -> None:
    [task] = minutes(text).action_items
    assert (task.text, task.owner, task.due) == (text, owner, due)


def test_in_a_transcript_i_is_who_speaks() -> None:
    found = minutes(
        "Priya: I'll tell the office today.\nTom: Marcus and I will draft a text.\nPriya: Good, thanks."
    )
    assert [(task.owner, task.due) for task in found.action_items] == [
        ("Priya", "today"),
        ("Marcus and Tom", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It will rain by Friday.",
        "The new bridge will open in March.",
        "Norwich will host the games in 2030.",
        "We won't send it before Monday.",
        "Nobody will call the plumber.",
        "Who will send the report by Friday?",
        "If it rains, I will call you.",
        "Anna sent the report on Friday.",
        "I will be late.",
    ],
)
def test_what_is_no_task(text: str) -> None:
    assert minutes(text).action_items == ()


@pytest.mark.parametrize(
    "text",
    [
        "We decided to move the opening.",
        "The committee approved the budget unanimously.",
        "It was agreed to close the branch in Leeds.",
        "The motion was carried.",
        "The decision: no new hires.",
        "Everyone agreed that the lift is late.",
        "Let's go with the blue one.",
        "We agreed to hire a second guard.",
    ],
)
def test_decisions(text: str) -> None:
    found = minutes(text)
    assert (found.decisions, found.action_items) == ((0,), ())


@pytest.mark.parametrize(
    "text",
    ["They have not decided yet.", "Have we agreed on a date?", "Nobody approved the plan.", "She paid."],
)
def test_what_is_no_decision(text: str) -> None:
    assert minutes(text).decisions == ()


def test_a_decision_that_gives_somebody_a_task_is_both() -> None:
    found = minutes("We decided that Anna will write to the residents by Friday.")
    assert found.decisions == (0,)
    assert [(task.owner, task.due) for task in found.action_items] == [("Anna", "by Friday")]


def test_the_same_task_counts_once() -> None:
    assert len(minutes("Anna will send the report.\n\nAnna will send the report.").action_items) == 1


def test_a_task_reads_as_it_was_said_and_adds_what_was_stated() -> None:
    [task] = minutes("Anna will send the report by Friday.").action_items
    assert str(task) == "Anna will send the report by Friday. (owner: Anna; due: by Friday)"
    [task] = minutes("Please call the plumber.").action_items
    assert str(task) == "Please call the plumber."
