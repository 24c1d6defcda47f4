"""Which words of a hypothesis that still grows can be relied on.

LocalAgreement-2 (Liu, Spanakis, Niehues 2020; for Whisper Macháček, Dabre, Bojar 2023): each hypothesis
hears the sound from the same start, a little more each time; what two in a row begin with is settled.
"""

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from stentor_stt.transcript import Word

ENDS_OF_SENTENCES = tuple(".?!…。？！")  # noqa: RUF001  of other scripts
ALONE_MS = 1000
"""A last word with so much sound after it is as good as one with a word after it."""


class Agreement:
    """The words of one stretch of sound: those that are settled, then those that may change."""

    def __init__(self) -> None:
        self.settled: list[Word] = []
        self.rest: list[Word] = []

    def hear(self, words: Sequence[Word], until_ms: int) -> list[Word]:
        """Take the next hypothesis, of sound that ends at `until_ms`; returns what it settles.

        The last word stays open: its sound may be cut, and whether a full stop follows it is a guess.
        """
        found = self.following(words)
        sure = found if found and until_ms - found[-1].end_ms >= ALONE_MS else found[:-1]
        agreed = _common(self.rest, sure)
        new = found[:agreed]
        self.settled += new
        self.rest = found[agreed:]
        return new

    def following(self, words: Sequence[Word]) -> list[Word]:
        """The words of a hypothesis after those that are settled, whether it repeats these or now has
        others in their place."""
        count = len(self.settled)
        if _common(self.settled, words) == count:
            return list(words[count:])
        end_ms = self.settled[-1].end_ms
        return [word for word in words if (word.start_ms + word.end_ms) // 2 >= end_ms]

    def settle(self, until_ms: int | None = None) -> list[Word]:
        """Settle what is left, or what of it ends by then, without a second hypothesis."""
        count = sum(1 for word in self.rest if until_ms is None or word.end_ms <= until_ms)
        new, self.rest = self.rest[:count], self.rest[count:]
        self.settled += new
        return new

    def forget(self, until_ms: int) -> None:
        """The sound before is gone: later hypotheses do not hold these words."""
        self.settled = [word for word in self.settled if word.end_ms > until_ms]


def place_to_cut(words: Sequence[Word], latest_ms: int, *, sentences_only: bool = False) -> int | None:
    """Where best to cut between words, in milliseconds: after the last end of a sentence; else, if that
    will do, in the later half, there too after a sentence rather than in the longest pause. None when there
    is no such place in time."""
    pairs = [(a, b) for a, b in pairwise(words) if a.end_ms <= latest_ms]
    if not sentences_only:
        pairs = pairs[len(pairs) // 2 :]
    sentences = [pair for pair in pairs if pair[0].text.endswith(ENDS_OF_SENTENCES)]
    if sentences:
        return _between(*sentences[-1])
    if sentences_only or not pairs:
        return None
    return _between(*max(reversed(pairs), key=lambda pair: pair[1].start_ms - pair[0].end_ms))


def _between(before: Word, after: Word) -> int:
    return (before.end_ms + max(before.end_ms, after.start_ms)) // 2


def _common(before: Sequence[Word], now: Sequence[Word]) -> int:
    """How many words both begin with, whatever their case and punctuation."""
    count = 0
    for old, new in zip(before, now, strict=False):
        if _key(old.text) != _key(new.text):
            break
        count += 1
    return count


def _key(text: str) -> str:
    letters = "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())
    return letters or text
