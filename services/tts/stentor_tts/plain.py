"""Text without markup: paragraphs, and lines that are items of a list."""

import html
import re
from collections.abc import Iterator

from stentor_tts.passages import Passage, Pause, Run

_ITEM_REST = Pause(500)
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_ITEM = re.compile(r"\n(?=[^\S\n]*(?:[-*•‣▪–—]|\d{1,3}[.)])[^\S\n])")  # noqa: RUF001


def passages(text: str) -> Iterator[Passage]:
    """Paragraphs are apart by an empty line; HTML's names of characters stand for these."""
    text = html.unescape(text).replace("\r\n", "\n").replace("\r", "\n")
    for paragraph in _PARAGRAPH.split(text):
        lines = [line.strip() for line in _ITEM.split(paragraph) if line.strip()]
        for line in lines[:-1]:
            yield Passage((Run(line),), rest=_ITEM_REST)
        for line in lines[-1:]:
            yield Passage((Run(line),))
