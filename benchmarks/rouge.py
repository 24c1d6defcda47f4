"""How much of a reference's words a summary has: ROUGE (Lin, 2004), F measure, letters in any case."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise


def scores(summary: str, reference: str) -> dict[str, float]:
    """ROUGE-1 and -2 (words and pairs of words in common) and -L (longest common subsequence), 0 to 1."""
    one, other = _words(summary), _words(reference)
    return {
        "rouge_1": _f(_common(one, other), len(one), len(other)),
        "rouge_2": _f(_common(_pairs(one), _pairs(other)), len(one) - 1, len(other) - 1),
        "rouge_l": _f(_longest(one, other), len(one), len(other)),
    }


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _pairs(words: list[str]) -> list[tuple[str, str]]:
    return list(pairwise(words))


def _common(one: Sequence[object], other: Sequence[object]) -> int:
    return sum((Counter(one) & Counter(other)).values())


def _longest(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for at, each in enumerate(other, 1):
            before, row[at] = row[at], before + 1 if word == each else max(row[at], row[at - 1])
    return row[-1]


def _f(common: int, one: int, other: int) -> float:
    return 2 * common / (one + other) if one + other > 0 else 0.0
