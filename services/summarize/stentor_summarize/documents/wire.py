"""What is said to a process that reads a document, and what it answers. Nothing of that is trusted."""

from dataclasses import dataclass
from enum import StrEnum


class Form(StrEnum):
    """What a document is, by its content."""

    text = "text"
    markdown = "markdown"
    html = "html"
    pdf = "pdf"
    docx = "docx"


class Fault(StrEnum):
    """What may be wrong with a document."""

    EMPTY = "empty"
    """Nothing is in it."""
    NO_TEXT = "no_text"
    """Pages without a letter; what they show may be pictures of text."""
    ENCRYPTED = "encrypted"
    MISNAMED = "misnamed"
    """Its name promises what its content is not."""
    UNKNOWN = "unknown"
    """Of a type that is not read here."""
    DAMAGED = "damaged"
    TOO_MANY_PAGES = "too_many_pages"
    TOO_LONG = "too_long"
    TOO_BIG = "too_big"
    """Reading it needs more memory than is allowed."""
    TOO_SLOW = "too_slow"
    NOT_INSTALLED = "not_installed"
    """The library that reads such a document is not there."""
    BROKEN = "broken"
    """The reader itself failed on it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a document is taken, and what reading it may cost."""

    pages: int = 2_000
    characters: int = 25_000_000
    memory_mib: int = 1_024
    seconds: float = 120


@dataclass(frozen=True, slots=True)
class Task:
    """The document is what standard input is open on."""

    suffix: str
    """How its name ends, in lower case with the dot; empty if it has none."""

    bounds: Bounds


@dataclass(frozen=True, slots=True)
class Extracted:
    """What a document says: paragraphs, with an empty line between them."""

    text: str
    form: Form
    pages: int | None = None
    """Of forms that have such."""


@dataclass(frozen=True, slots=True)
class Failure:
    fault: Fault
    found: str = ""
    """What it is instead, where that is known."""
    remark: str = ""
    """For the log."""


class Refused(Exception):
    """The document cannot be read."""

    def __init__(self, fault: Fault, *, found: str = "", remark: str = "") -> None:
        super().__init__(fault)
        self.failure = Failure(fault, found, remark)
