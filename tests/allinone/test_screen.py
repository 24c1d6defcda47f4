"""What `stentor listen` shows, on a terminal and in a pipe."""

import io

import pytest
from rich.console import Console

from stentor_allinone.live import Screen

EVENTS = [
    {"type": "speech_started", "turn": 0, "start_ms": 0},
    {"type": "tentative", "turn": 0, "text": "He wants"},
    {"type": "settled", "turn": 0, "text": "He was"},
    {"type": "tentative", "turn": 0, "text": " not [an"},
    {"type": "settled", "turn": 0, "text": " not [an] ill"},
    {"type": "final", "turn": 0, "text": "He was not [an] ill"},
    {"type": "final", "turn": 1, "text": ""},
]


def shown(console: Console) -> Screen:
    with Screen(console) as screen:
        for event in EVENTS:
            screen.take(event)
    return screen


def test_a_pipe_gets_what_is_settled_and_nothing_else() -> None:
    written = io.StringIO()
    screen = shown(Console(file=written))
    assert written.getvalue() == "He was not [an] ill\n"
    assert screen.said == "He was not [an] ill"


@pytest.mark.parametrize("text", ["He wants", " not [an"])
def test_a_terminal_shows_dimmed_what_may_still_change(text: str) -> None:
    written = io.StringIO()
    shown(Console(file=written, force_terminal=True, color_system="standard", width=80))
    assert f"\x1b[2m{text}\x1b[0m" in written.getvalue()


def test_a_terminal_keeps_the_final_text() -> None:
    written = io.StringIO()
    shown(Console(file=written, force_terminal=True, color_system="standard", width=80))
    assert "He was not [an] ill\n" in written.getvalue()
