"""Web pages: what an author wrote there, without menus, advertisements and footers."""

from typing import BinaryIO

import trafilatura
from lxml.etree import Comment, ParserError, strip_elements
from lxml.html import HTMLParser, document_fromstring
from trafilatura.utils import decode_file

from stentor_summarize.documents.wire import Bounds, Extracted, Fault, Form, Refused

BYTES_PER_CHARACTER = 8
"""Of pages, whose markup is several times as long as their text."""

BLOCKS = ("p", "div", "li", "h1", "h2", "h3", "h4", "h5", "h6", "tr", "br", "section", "blockquote", "pre")
SILENT = ("script", "style", "noscript", "template", "title", Comment)

SAMPLE = b"<html><head><title>t</title></head><body><nav>a</nav><article><p>%s</p></article></body></html>"


def prepare() -> None:
    _text(SAMPLE % (b"A sentence that is long enough to count as one. " * 20))
    # One for which all ways are tried.
    _text(b"<html><body><table><tr><td>a</td></tr></table></body></html>")
    _everything(SAMPLE % "kurz, mit Größe".encode("cp1252"))


def read(file: BinaryIO, bounds: Bounds) -> Extracted:
    most = BYTES_PER_CHARACTER * bounds.characters
    content = file.read(most + 1)
    if len(content) > most:
        raise Refused(Fault.TOO_LONG)
    return Extracted(_text(content), Form.html)


def _text(content: bytes) -> str:
    found = trafilatura.extract(content, include_comments=False, include_tables=True)
    # Of pages that are built like nothing known, all that is to be read.
    return found or _everything(content)


def _everything(content: bytes) -> str:
    try:
        tree = document_fromstring(decode_file(content).encode(), HTMLParser(encoding="utf-8"))
    except ParserError:
        # There is no element in it.
        return ""
    strip_elements(tree, *SILENT, with_tail=False)
    for block in tree.iter(*BLOCKS):
        block.text = f"\n\n{block.text or ''}"
        block.tail = f"\n\n{block.tail or ''}"
    blocks = "".join(tree.itertext()).split("\n\n")
    return "\n\n".join(text for text in (" ".join(block.split()) for block in blocks) if text)
