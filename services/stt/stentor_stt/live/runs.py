"""What an answer of the model says, as runs of speech with their words, apart where there is a pause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from stentor_stt.options import Spelling
from stentor_stt.spelling import Speller
from stentor_stt.transcript import Word

if TYPE_CHECKING:
    from stentor_stt.engines import Heard


@dataclass(frozen=True, slots=True)
class Run:
    """Speech without a long pause. All in milliseconds from the first sound of the session."""

    start_ms: int
    end_ms: int
    border_ms: int
    """In the middle of the pause after it."""
    words: tuple[Word, ...]


def runs_of(
    heard: Heard, offset_ms: int, *, pause_ms: int | None, spelling: Sequence[Spelling] = ()
) -> list[Run]:
    """Runs in order, with every word in one of them. `offset_ms` is where the sound began; without a
    `pause_ms` all of it is one run."""
    spans: list[tuple[int, int]] = []
    for start, end in heard.speech:
        if spans and (pause_ms is None or start - spans[-1][1] < pause_ms):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    words = _words(heard, spelling)
    borders = [(one[1] + other[0]) // 2 for one, other in pairwise(spans)]
    return [
        Run(
            start_ms=start + offset_ms,
            end_ms=end + offset_ms,
            border_ms=(borders[at] if at < len(borders) else end) + offset_ms,
            words=tuple(word.shifted(offset_ms) for word in _between(words, borders, at)),
        )
        for at, (start, end) in enumerate(spans)
    ]


def _words(heard: Heard, spelling: Sequence[Spelling]) -> list[Word]:
    speller = Speller(spelling, heard.language)
    return [word for segment in heard.segments for word in speller.spelled(segment).words]


def _between(words: Sequence[Word], borders: Sequence[int], at: int) -> list[Word]:
    """The words whose middle is after `at` of the borders."""
    return [word for word in words if sum(1 for border in borders if _middle(word) >= border) == at]


def _middle(word: Word) -> int:
    return (word.start_ms + word.end_ms) // 2
