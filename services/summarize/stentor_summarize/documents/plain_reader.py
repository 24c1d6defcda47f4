"""Text in whatever encoding."""

import unicodedata
from typing import BinaryIO

from charset_normalizer import from_bytes

from stentor_summarize.documents.wire import Bounds, Extracted, Fault, Form, Refused

MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""How a file may begin to tell its encoding; the longer marks first, as one begins like another."""

LOOKED_AT = 256 * 1024
"""The encoding of a text is guessed by so many of its bytes."""

WIDEST = 4
"""Bytes of a character in any encoding."""

CONTROL_PART = 0.002
"""A text with more control characters than this is none."""


def prepare() -> None:
    from_bytes("Größenverhältnis, señor".encode("cp1252")).best()


def read(file: BinaryIO, bounds: Bounds) -> Extracted:
    return Extracted(decoded(file, bounds), Form.text)


def decoded(file: BinaryIO, bounds: Bounds) -> str:
    """The text of a file. Raises Refused: TOO_LONG, UNKNOWN for what is no text in any encoding."""
    content = file.read(WIDEST * bounds.characters + 1)
    if len(content) > WIDEST * bounds.characters:
        raise Refused(Fault.TOO_LONG)
    text = _text(content)
    control = sum(map(_is_control, text[:LOOKED_AT]))
    if control > CONTROL_PART * len(text[:LOOKED_AT]):
        raise Refused(Fault.UNKNOWN)
    return text


def _text(content: bytes) -> str:
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode()
    except UnicodeDecodeError:
        best = from_bytes(content[:LOOKED_AT]).best()
    if best is None:
        raise Refused(Fault.UNKNOWN)
    return content.decode(best.encoding, errors="replace")


def _is_control(letter: str) -> bool:
    return unicodedata.category(letter) == "Cc" and letter not in "\t\n\r\f\v"
