"""Which of a text's sentences say most of it. Pure: sentences and their embeddings in, indexes out.

The score of a sentence is how near it is to what the whole text is about (the cosine with the mean of all
embeddings), with something added for standing early and taken off for what makes no sense by itself.
Sentences are then taken one by one, each time the one with the best of score less likeness to those taken
already (maximal marginal relevance: Carbonell and Goldstein, 1998). Time and memory grow with the number of
sentences, not with its square as they do in TextRank, which chose the same sentences of our texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stentor_summarize.lengths import Goal, word_count
from stentor_summarize.ordinary_words import listed
from stentor_summarize.sentences import Sentence

LEAST_WORDS = 6
"""Shorter ones lean on their neighbours: by themselves they say nothing."""

SAME = 0.95
"""Sentences so alike say the same."""

_QUOTES = ('"', "'", "“", "‘", "„", "«", "「", "『")  # noqa: RUF001
_LEANING = frozenset(
    listed("""
    he she it they this that these those such his her its their but and so then however both neither
    others another there here
    """)
)

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """How the parts of a score count. The values were chosen by `benchmarks/summaries.py`."""

    early: float = 0.6
    """For the first sentence; the next ones get less and less."""

    first_of_paragraph: float = 0.15
    leaning: float = -0.3
    """For "He also …": without the sentence before it nobody knows who."""

    quoted: float = -0.3
    """For what begins as somebody's words."""

    diversity: float = 0.3
    """0: only how central a sentence is; 1: only how little it repeats."""


def chosen(
    sentences: Sequence[Sentence],
    vectors: Vectors,
    goal: Goal,
    language: str | None = None,
    weights: Weights | None = None,
) -> list[int]:
    """Indexes of the sentences that make the summary, in the text's order; never none.

    `vectors` has a row of length 1 for each sentence. With a goal in sentences there are exactly so many,
    where the text has as many that can stand alone. With one in words they have at most `goal.most_words`
    together, unless the shortest such sentence alone has more.
    """
    sizes = [word_count(each.text) for each in sentences]
    fit = _fit(sentences, sizes)
    if goal.sentences is None and sum(sizes[index] for index in fit) <= goal.words:
        return fit
    weights = weights or Weights()
    scores = _central(vectors, fit) + _standing([sentences[index] for index in fit], language, weights)
    picked = _picked(vectors, fit, scores, weights.diversity, _Budget(goal, sizes, fit))
    return sorted(picked)


def headline_words(text: str) -> str:
    """A sentence as a headline: without what stands in brackets and without its full stop."""
    kept: list[str] = []
    depth = 0
    for letter in text:
        depth += letter in "([（【"  # noqa: RUF001
        if depth == 0:
            kept.append(letter)
        depth -= letter in ")]）】" and depth > 0  # noqa: RUF001
    words = " ".join("".join(kept).split()) if depth == 0 else text
    for mark in ",.;:":
        words = words.replace(f" {mark}", mark)
    return words.rstrip(".。।") or text


class _Budget:
    """What may still be taken."""

    def __init__(self, goal: Goal, sizes: Sequence[int], fit: Sequence[int]) -> None:
        self._goal = goal
        self._sizes = sizes
        self._shortest = min(sizes[index] for index in fit)
        self._words = self._count = 0

    @property
    def full(self) -> bool:
        if self._goal.sentences is not None:
            return self._count >= self._goal.sentences
        return self._words >= self._goal.fewest_words

    def fits(self, index: int) -> bool:
        if self._goal.sentences is not None:
            return True
        # One is taken in any case, and then it had better be short.
        if self._goal.most_words < self._shortest:
            return self._count == 0 and self._sizes[index] == self._shortest
        return self._words + self._sizes[index] <= self._goal.most_words

    def take(self, index: int) -> None:
        self._count += 1
        self._words += self._sizes[index]


def _fit(sentences: Sequence[Sentence], sizes: Sequence[int]) -> list[int]:
    """Without headings, fragments, questions and what was said before; when that leaves none, all."""
    seen: set[str] = set()
    found: list[int] = []
    for index, sentence in enumerate(sentences):
        words = " ".join(sentence.text.casefold().split())
        if words not in seen and sizes[index] >= LEAST_WORDS and _is_whole(sentence.text):
            found.append(index)
        seen.add(words)
    return found or list(range(len(sentences)))


def _is_whole(text: str) -> bool:
    bare = text.rstrip("\"'”’»)]）】」』 ")  # noqa: RUF001
    # Speech written down by a machine may have no marks at all; a heading is short besides.
    return not bare.endswith(("?", "？", "؟", ":", "：")) and (  # noqa: RUF001
        bare.endswith((".", "!", "…", "。", "！", "।", "॥", ";")) or word_count(bare) >= 2 * LEAST_WORDS  # noqa: RUF001
    )


def _central(vectors: Vectors, fit: Sequence[int]) -> Vectors:
    """How near each fit sentence is to the middle of the text, from 0 to 1."""
    rows = vectors[np.asarray(fit)]
    middle = rows.mean(axis=0)
    near = rows @ (middle / (np.linalg.norm(middle) or 1))
    spread = float(np.ptp(near))
    return np.asarray((near - near.min()) / spread if spread else np.ones_like(near), dtype=np.float32)


def _standing(sentences: Sequence[Sentence], language: str | None, weights: Weights) -> Vectors:
    """What counts for or against a sentence besides what it is about."""
    found = np.zeros(len(sentences), dtype=np.float32)
    # Talk has no lead; what is written begins with what it is about.
    talk = any(each.speaker for each in sentences)
    before = None
    for at, each in enumerate(sentences):
        if not talk:
            found[at] += weights.early / (1 + at)
            found[at] += weights.first_of_paragraph * (each.paragraph != before)
        before = each.paragraph
        found[at] += weights.quoted * each.text.startswith(_QUOTES)
        if language in (None, "en"):
            found[at] += weights.leaning * (each.text.split()[0].strip(",").casefold() in _LEANING)
    return found


def _picked(
    vectors: Vectors, fit: Sequence[int], scores: Vectors, diversity: float, budget: _Budget
) -> list[int]:
    rows = vectors[np.asarray(fit)]
    likeness = np.zeros(len(fit), dtype=np.float32)
    left = np.ones(len(fit), dtype=bool)
    picked: list[int] = []
    while left.any() and not budget.full:
        worth = np.where(left, (1 - diversity) * scores - diversity * likeness, -np.inf)
        best = int(worth.argmax())
        left[best] = False
        if (picked and likeness[best] >= SAME) or not budget.fits(fit[best]):
            continue
        picked.append(fit[best])
        budget.take(fit[best])
        likeness = np.maximum(likeness, rows @ rows[best])
    return picked
