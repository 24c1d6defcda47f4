"""Who speaks in a transcript: lines such as "Anna: …" and "[00:01:02] Speaker 1: …". Pure."""

import re

_TIME = r"(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d+)?[\])]?[ \t]+)?"
_NAME = r"[^\W\d_][\w.'’\-]*(?:[ \t][\w.'’\-]+){0,3}"  # noqa: RUF001
LABEL = re.compile(rf"^[ \t]*{_TIME}(?P<speaker>{_NAME})[ \t]?:(?=[ \t\r\n])[ \t]*", re.MULTILINE)
"""At the start of a line: perhaps a time, a name of at most four words, a colon."""


def turn_starts(text: str) -> list[tuple[int, str]]:
    """Where each turn begins, and whose it is; empty when the text is no transcript.

    It is one when half of its lines begin so, or when at least two speakers do and one of them again:
    a text with one line "Note: …" is none.
    """
    found = [(match.start(), match["speaker"]) for match in LABEL.finditer(text)]
    speakers = {speaker for _, speaker in found}
    lines = sum(1 for line in text.splitlines() if line.strip())
    mostly = len(found) >= 2 and 2 * len(found) >= lines
    again = len(speakers) >= 2 and len(found) > len(speakers)
    return found if mostly or again else []


def speech_start(text: str) -> int:
    """Where what is said begins, after the label; 0 without one."""
    match = LABEL.match(text)
    return match.end() if match else 0
