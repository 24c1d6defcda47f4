"""Long texts cut into passages that a model can read at once, and partial summaries joined. Pure."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from stentor_summarize.sentences import paragraphs, split_sentences
from stentor_summarize.turns import turn_starts

Count = Callable[[Sequence[str]], list[int]]
"""How many tokens each text has, by the model's own tokenizer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A part of a text. All parts' texts together are the text."""

    text: str
    speaker: str | None = None
    """Who goes on speaking at its start, when a turn of a transcript had to be cut."""

    @property
    def shown(self) -> str:
        """What the model reads: the speaker's name stands again before what goes on."""
        return f"{self.speaker}: {self.text.lstrip()}" if self.speaker else self.text


def cut(text: str, *, limit: int, count: Count, language: str | None = None) -> list[Passage]:
    """The text in passages of at most `limit` tokens as `count` counts them, of about the same size.

    Cut between paragraphs or speakers' turns where these fit, else between sentences, words, and at last
    characters; a single character is never cut. No part of the text is left out or repeated.
    """
    units = list(_units(text, limit, count, language))
    if not units:
        return []
    sizes = count(units)
    labels = _labels(text, units)
    wanted = _even(sizes, limit)
    spans: list[tuple[int, int]] = []
    start = held = 0
    for number, size in enumerate(sizes):
        if number > start and (held + size > limit or held >= wanted):
            spans.append((start, number))
            start, held = number, 0
        held += size
    spans.append((start, len(units)))
    return [passage for a, b in spans for passage in _fitting(units, labels, (a, b), limit, count) if b > a]


def joined(partials: Sequence[str]) -> str:
    """Partial summaries as one text, a paragraph each."""
    return "\n\n".join(each.strip() for each in partials if each.strip())


def _units(text: str, limit: int, count: Count, language: str | None) -> Iterator[str]:
    """The largest pieces that fit, in order."""
    splits: tuple[Callable[[str], list[str]], ...] = (
        paragraphs,
        lambda each: split_sentences(each, language),
        _words,
    )
    yield from _smaller([text] if text else [], splits, limit, count)


def _smaller(
    pieces: list[str], splits: Sequence[Callable[[str], list[str]]], limit: int, count: Count
) -> Iterator[str]:
    for piece, size in zip(pieces, count(pieces), strict=True):
        if size <= limit:
            yield piece
        elif splits:
            yield from _smaller(splits[0](piece), splits[1:], limit, count)
        else:
            yield from _halves(piece, limit, count)


def _words(text: str) -> list[str]:
    """Words with the blanks after them."""
    found: list[str] = []
    start = 0
    for at in range(1, len(text)):
        if text[at - 1].isspace() and not text[at].isspace():
            found.append(text[start:at])
            start = at
    return [*found, text[start:]]


def _halves(text: str, limit: int, count: Count) -> Iterator[str]:
    middle = len(text) // 2
    while middle > 0 and unicodedata.combining(text[middle]):
        middle -= 1
    if middle == 0 or count([text])[0] <= limit:
        yield text
        return
    yield from _halves(text[:middle], limit, count)
    yield from _halves(text[middle:], limit, count)


def _even(sizes: Sequence[int], limit: int) -> int:
    """From how many tokens on a passage is long enough: a last one of a few words has no summary."""
    total = sum(sizes)
    return ceil(total / max(1, ceil(total / limit)))


def _labels(text: str, units: Sequence[str]) -> list[str | None]:
    """Who speaks at the start of each unit, where the unit does not say so itself."""
    turns = turn_starts(text)
    found: list[str | None] = []
    at = turn = 0
    for unit in units:
        while turn < len(turns) and turns[turn][0] <= at:
            turn += 1
        begins = turn > 0 and turns[turn - 1][0] == at
        found.append(turns[turn - 1][1] if turn and not begins else None)
        at += len(unit)
    return found


def _fitting(
    units: Sequence[str], labels: Sequence[str | None], span: tuple[int, int], limit: int, count: Count
) -> Iterator[Passage]:
    """The units as one passage, or as two where they have more tokens together than one by one."""
    start, end = span
    passage = Passage("".join(units[start:end]), labels[start])
    if end - start <= 1 or count([passage.shown])[0] <= limit:
        yield passage
        return
    middle = (start + end) // 2
    yield from _fitting(units, labels, (start, middle), limit, count)
    yield from _fitting(units, labels, (middle, end), limit, count)
