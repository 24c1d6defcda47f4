"""Markdown: what it says, without its signs. Code is left out: it has no sentences."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from markdown_it import MarkdownIt
from markdown_it.token import Token

from stentor_summarize.documents import plain_reader
from stentor_summarize.documents.wire import Bounds, Extracted, Form

BREAKS = ("softbreak", "hardbreak")
SPOKEN = ("text", "code_inline")


def prepare() -> None:
    plain_reader.prepare()
    plain("# Title\n\n* item with `code` and [a link](http://a/b)\n\n| a | b |\n|---|---|\n| c | d |\n")


def read(file: BinaryIO, bounds: Bounds) -> Extracted:
    return Extracted(plain(plain_reader.decoded(file, bounds)), Form.markdown)


def plain(markdown: str) -> str:
    """The paragraphs, headings, list items and table rows of a text in CommonMark, with tables."""
    tokens = MarkdownIt("commonmark").enable("table").parse(_without_front_matter(markdown))
    return "\n\n".join(_blocks(tokens))


def _blocks(tokens: Sequence[Token]) -> Iterable[str]:
    row: list[str] | None = None
    for token in tokens:
        if token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            yield ", ".join(row or [])
            row = None
        elif token.type == "inline":
            text = _inline(token.children or [])
            if row is not None:
                row.append(text)
            elif text:
                yield text


def _inline(children: Iterable[Token]) -> str:
    parts = (" " if each.type in BREAKS else each.content if each.type in SPOKEN else "" for each in children)
    return "".join(parts).strip()


def _without_front_matter(markdown: str) -> str:
    """Without the settings that site generators want at the top, between lines of three hyphens."""
    if not markdown.startswith("---\n"):
        return markdown
    _, end, rest = markdown.removeprefix("---\n").partition("\n---\n")
    return rest if end else markdown
