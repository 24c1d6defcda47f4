"""Text cut to sentences, and long sentences to what a voice says in one breath. Nothing of it is lost."""

import re
from collections.abc import Iterator, Sequence
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


def breaths(pieces: Sequence[Piece], *, limit: int = BREATH) -> list[list[Piece]]:
    """The pieces in groups whose words are not longer than `limit` characters.

    Cuts are made at the marks of clauses, and where there are none between words; within a word only if
    it is longer than a breath by itself.
    """
    left = [part for piece in pieces for part in _short(piece, limit)]
    groups: list[list[Piece]] = []
    while left:
        cut = _cut([piece.spoken for piece in left], limit)
        groups.append(left[:cut])
        left = left[cut:]
    return groups


def ends_clause(pieces: Sequence[Piece]) -> bool:
    """Whether a voice rests after them."""
    words = "".join(piece.spoken for piece in pieces)
    return bool(_STRONG.search(words) or _WEAK.search(words))


def _cut(words: list[str], limit: int) -> int:
    """How many of the pieces are said in the next breath."""
    lengths = list(accumulate(map(len, words)))
    if lengths[-1] <= limit:
        return len(words)
    fits = next(index for index, length in enumerate(lengths) if length > limit)
    # Parts of about the same length, so that the last is no single word.
    aim = lengths[-1] / ceil(lengths[-1] / limit)
    for mark, least in ((_STRONG, limit / 3), (_WEAK, limit / 3)):
        found = [index for index in range(fits) if lengths[index] >= least and mark.search(words[index])]
        if found:
            return min(found, key=lambda index: abs(lengths[index] - aim)) + 1
    blanks = [index for index in range(fits) if words[index][-1:].isspace() or words[index + 1][:1].isspace()]
    return (blanks[-1] if blanks else max(0, fits - 1)) + 1


def _short(piece: Piece, limit: int) -> Iterator[Piece]:
    """The piece in parts that fit; what is written goes with the first where it cannot be told apart."""
    alike = piece.written == piece.spoken
    words, written = piece.spoken, piece.written
    while len(words) > limit:
        blank = words.rfind(" ", 1, limit)
        cut = blank + 1 if blank > 0 else limit
        yield replace(piece, written=written[:cut] if alike else written, spoken=words[:cut])
        words, written = words[cut:], written[cut:] if alike else ""
    yield replace(piece, written=written, spoken=words)
