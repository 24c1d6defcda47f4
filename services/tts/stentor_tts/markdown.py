"""Markdown as it is read aloud: CommonMark with tables and strikethrough, through markdown-it-py.

Emphasis, links and images are said as their text. Of a code block nothing is said but that it is there:
signs of a program are no sentences. A table is said row by row, each cell after the name of its column.
"""

import html
import re
from collections.abc import Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from stentor_tts.errors import NestedTooDeep
from stentor_tts.passages import Passage, Pause, Run
from stentor_tts.speakable import speakable

DEEPEST = 40
"""Blocks within each other; what is deeper the library would leave out, and no listener can follow."""
_REST = Passage(()).rest
_HEADING_REST = Pause(900)
_ITEM_REST = Pause(500)
_LINE = Pause(1200)
"""For a line drawn between parts of the text."""
_CODE = {"en": "Code example, not read aloud."}
_ENDS = (".", "!", "?", ":", ";", "…", "。", "！", "？")  # noqa: RUF001
_TAG = re.compile(r"<[^<>]*>")
_BOX = re.compile(r"^\[[ xX]\]\s+")
"""The box of a task."""


def passages(text: str, language: str) -> Iterator[Passage | Pause]:
    """Headings, paragraphs, items and rows, each by itself. Raises NestedTooDeep."""
    return _Reading(language).passages(_parser().parse(text))


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"maxNesting": DEEPEST}).enable(["table", "strikethrough"])


class _Reading:
    """What is known at a place of the document from what came before it."""

    def __init__(self, language: str) -> None:
        self._language = language
        self._rest = _REST
        self._number = ""
        self._in_table = False
        self._columns: list[str] = []
        self._row: list[str] = []

    def passages(self, tokens: list[Token]) -> Iterator[Passage | Pause]:
        for token in tokens:
            if token.level >= DEEPEST - 1:
                raise NestedTooDeep(DEEPEST)
            match token.type:
                case "inline" if self._in_table:
                    self._row.append(_said(token))
                case "inline":
                    yield from self._passage(_said(token))
                case "fence" | "code_block":
                    yield from self._passage(_CODE.get(self._language.partition("-")[0].lower(), ""))
                case "html_block":
                    yield from self._passage(html.unescape(_TAG.sub(" ", token.content)))
                case "hr":
                    yield _LINE
                case "tr_close":
                    yield from self._end_row()
                case _:
                    self._enter(token)

    def _enter(self, token: Token) -> None:
        match token.type:
            case "heading_open":
                self._rest = _HEADING_REST
            case "list_item_open":
                self._rest, self._number = _ITEM_REST, token.info
            case "heading_close" | "bullet_list_close" | "ordered_list_close":
                self._rest = _REST
            case "table_open" | "table_close":
                self._in_table, self._columns = token.nesting > 0, []

    def _end_row(self) -> Iterator[Passage]:
        """The first row names the columns."""
        row, self._row = self._row, []
        if not self._columns:
            self._columns = row
            return
        cells = zip(self._columns, row, strict=False)
        said = "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells if cell)
        yield from self._passage(said, rest=_ITEM_REST)

    def _passage(self, text: str, rest: Pause | None = None) -> Iterator[Passage]:
        number, self._number = self._number, ""
        if not text.strip():
            return
        runs = [Run(text.strip())]
        if number:
            runs = [Run(f"{number}.", f"{speakable(number, self._language)},"), Run(f" {text.strip()}")]
        # A heading or an item is said like a sentence, though it has no full stop.
        ending = [] if text.rstrip("\"')”»* ").endswith(_ENDS) else [Run("", ".")]
        yield Passage((*runs, *ending), rest=rest or self._rest)


def _said(token: Token) -> str:
    """The text of a line, without what marks it."""
    words = {"softbreak": " ", "hardbreak": ", "}
    said = (
        words.get(child.type, child.content if child.type in ("text", "code_inline", "image") else "")
        for child in token.children or ()
    )
    return _BOX.sub("", "".join(said))
