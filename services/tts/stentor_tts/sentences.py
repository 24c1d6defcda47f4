"""Text cut to sentences, and long sentences to what a voice says in one breath. Nothing of it is lost."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from math import ceil

import sentencex

from stentor_tts.speakable.reading import Piece

BREATH = 300
"""Characters that engines say well at once; longer sentences are cut."""
_STRONG = re.compile(r"[;:.!?…。；：！？।؟]['\")\]]*\s*$")  # noqa: RUF001
_WEAK = re.compile(r"[,،，、]['\")\]]*\s*$")  # noqa: RUF001


_BEFORE_NUMBERS = re.compile(
    r"\b(?:approx|aprox|est|env|ca|max|min|avg|temp|vols?|ch|eqs?|sec|figs?|nos?|nr|pp?|pg|art|tel|ext)\.\s*$",
    re.IGNORECASE,
)
_BEFORE_NAMES = {"fr": re.compile(r"\b(?:MM?|Mmes?|Mlles?|Me|Mgr)\.\s*$")}
"""Abbreviations that the library does not know; titles of languages where it has none."""
_ITEM = re.compile(r"\s*\(?\d{1,3}[.)]\s*")


def sentences(text: str, language: str) -> list[str]:
    """The sentences with the blanks after them: joined they are the text.

    An abbreviation, a decimal, an initial or a quotation ends none (sentencex, of some 300 languages).
    """
    primary = language.replace("_", "-").partition("-")[0].lower()
    found = sentencex.segment(primary, text)
    if "".join(found) != text:
        return [text] if text else []
    return list(_mended(found, primary))


def _mended(found: list[str], language: str) -> Iterator[str]:
    """With what was cut too much joined again; what has nothing but marks in it stays with what is before."""
    held = ""
    for each in found:
        if held and not _goes_on(held, each, language):
            yield held
            held = ""
        held += each
    if held:
        yield held


def _goes_on(held: str, following: str, language: str) -> bool:
    first = following.lstrip()[:1]
    titles = _BEFORE_NAMES.get(language)
    return (
        not any(each.isalnum() for each in following)
        or bool(_ITEM.fullmatch(held))
        or (first.isdecimal() and bool(_BEFORE_NUMBERS.search(held)))
        or (first.isupper() and titles is not None and bool(titles.search(held)))
    )


def breaths(pieces: Iterable[Piece], *, limit: int = BREATH) -> Iterator[list[Piece]]:
    """The pieces in groups whose words are not longer than `limit` characters.

    Cuts are made at the marks of clauses, and where there are none between words; within a word only if
    it is longer than a breath by itself.
    """
    parts = [part for piece in pieces for part in _short(piece, limit)]
    ends = list(accumulate(len(part.spoken) for part in parts))
    start = 0
    while start < len(parts):
        stop = _stop(parts, ends, start, limit)
        yield parts[start:stop]
        start = stop


def ends_clause(pieces: Sequence[Piece]) -> bool:
    """Whether a voice rests after them."""
    words = "".join(piece.spoken for piece in pieces)
    return bool(_STRONG.search(words) or _WEAK.search(words))


def _stop(parts: Sequence[Piece], ends: Sequence[int], start: int, limit: int) -> int:
    """Where the breath ends that begins at `start`; `ends` are lengths up to and with each part."""
    begun = ends[start - 1] if start else 0
    left = ends[-1] - begun
    if left <= limit:
        return len(parts)
    fits = bisect_right(ends, begun + limit, start)
    # Breaths of about the same length, so that the last is no single word.
    aim = begun + left / ceil(left / limit)
    for mark in (_STRONG, _WEAK):
        found = [
            at for at in range(start, fits) if ends[at] - begun >= limit / 3 and mark.search(parts[at].spoken)
        ]
        if found:
            return min(found, key=lambda at: abs(ends[at] - aim)) + 1
    for at in range(fits - 1, start - 1, -1):
        if parts[at].spoken[-1:].isspace() or parts[at + 1].spoken[:1].isspace():
            return at + 1
    return max(fits, start + 1)


def _short(piece: Piece, limit: int) -> Iterator[Piece]:
    """The piece in parts that fit; what is written goes with the first where it cannot be told apart."""
    alike = piece.written == piece.spoken
    words, start = piece.spoken, 0
    while start == 0 or start < len(words):
        blank = words.rfind(" ", start + 1, start + limit) if len(words) - start > limit else -1
        stop = blank + 1 if blank > 0 else start + limit
        written = words[start:stop] if alike else piece.written if start == 0 else ""
        yield replace(piece, written=written, spoken=words[start:stop])
        start = stop
