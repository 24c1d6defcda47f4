"""Words that are written otherwise than the model writes them, in text and timed words alike."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from stentor_stt.options import Spelling
from stentor_stt.transcript import Segment, Word, separator_of


class Speller:
    """Applies spellings to segments in one language."""

    def __init__(self, spellings: Sequence[Spelling], language: str | None) -> None:
        self._separator = separator_of(language)
        self._written = {_plain(spelling.heard): spelling.written for spelling in spellings}
        # The longest first: "New York City" before "New York".
        heard = sorted(filter(None, self._written), key=len, reverse=True)
        found = "|".join(_pattern(each) for each in heard)
        # Where words stand beside each other without a blank, none ends visibly.
        edges = rf"(?<!\w)(?:{found})(?!\w)" if self._separator else found
        self._pattern = re.compile(edges, re.IGNORECASE) if heard else None

    def spelled(self, segment: Segment) -> Segment:
        if self._pattern is None:
            return segment
        return replace(
            segment,
            text=self._pattern.sub(self._replacement, segment.text),
            words=self._words(self._pattern, segment.words),
        )

    def _replacement(self, match: re.Match[str]) -> str:
        return self._written[_plain(match.group())]

    def _words(self, pattern: re.Pattern[str], words: Sequence[Word]) -> tuple[Word, ...]:
        """Words over which a replacement goes become one, with what stood around it."""
        text = self._separator.join(word.text for word in words)
        ends = list(accumulate(len(word.text) + len(self._separator) for word in words))
        done: list[Word] = []
        taken = 0
        for first, last in _runs(
            (bisect_right(ends, match.start()), bisect_right(ends, match.end() - 1))
            for match in pattern.finditer(text)
        ):
            heard = words[first : last + 1]
            joined = self._separator.join(word.text for word in heard)
            done += words[taken:first]
            done.append(_one(heard, pattern.sub(self._replacement, joined)))
            taken = last + 1
        return (*done, *words[taken:])


def _runs(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same stretches, those that share a word as one."""
    runs: list[tuple[int, int]] = []
    for first, last in found:
        if runs and first <= runs[-1][1]:
            runs[-1] = (runs[-1][0], last)
        else:
            runs.append((first, last))
    return runs


def _one(words: Sequence[Word], text: str) -> Word:
    confidence = min(word.confidence for word in words)
    return replace(words[0], text=text, end_ms=words[-1].end_ms, confidence=confidence)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _pattern(heard: str) -> str:
    return r"\s+".join(re.escape(part) for part in heard.split())
