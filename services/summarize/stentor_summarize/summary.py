"""A finished summary: what is told of it, and kept."""

from dataclasses import dataclass

from stentor_summarize.engines import Kind


@dataclass(frozen=True, slots=True)
class Warning:
    """Something the reader of a summary should know."""

    code: str
    message: str
    found: tuple[str, ...] = ()
    """The words it is about."""


@dataclass(frozen=True, slots=True)
class Summary:
    text: str
    kind: Kind
    engine: str
    model: str
    language: str | None
    """Of the text: as given, or as it looks; None where that cannot be told."""

    bullets: tuple[str, ...]
    """Its points, where these were asked for."""

    headline: str | None
    action_items: tuple[str, ...]
    """Who does what until when, where minutes were asked for."""

    decisions: tuple[str, ...]
    sentences: tuple[int, ...]
    """Which of `sentences_of(text)` it consists of; extractive only."""

    passages: int
    """In how many parts the text was read."""

    source_words: int
    words: int
    warnings: tuple[Warning, ...]
