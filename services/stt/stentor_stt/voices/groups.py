"""Who is who among voice vectors: how many voices there are, and the vector each is centred on.

Vectors are clustered by Ward's method with the nearest-neighbour chain (Murtagh: "A survey of recent
advances in hierarchical clustering algorithms", 1983), which needs no matrix of all distances. How many
voices there are is found by uniting groups that are as near as two halves of one voice are.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stentor_stt.voices.vectors import Vectors, directions

Numbers = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]

MOST_AT_ONCE = 1000
"""Vectors clustered at once. More are first condensed, BLOCK neighbours in time to BLOCK_PARTS groups."""
BLOCK, BLOCK_PARTS = 500, 50

FEWEST_PARTS = 16
"""Groups that are made before some are united, unless more voices are allowed."""

ALIKE = 0.88
NOISE = 0.44
LEAST_SECONDS = 1.5
"""See `alike`. Measured on conversations that were mixed of six recorded voices, see benchmarks/README.md;
halves of one voice with 16 seconds or more were at least 0.91 alike, two voices at most 0.88."""

ROUNDS = 5


def alike(seconds: Numbers | float) -> Numbers:
    """The cosine from which on two groups are taken for one voice.

    `seconds` is how much speech the smaller one has: the mean of few vectors is off by chance, the more
    the fewer they are.
    """
    return np.minimum(ALIKE, 1 - NOISE / np.sqrt(seconds)).astype(np.float32)


def voices(vectors: Vectors, seconds: Numbers, *, at_least: int = 1, at_most: int = 10) -> Vectors:
    """The centre of each voice, between `at_least` and `at_most` of them (fewer if vectors are fewer).

    Vectors are of length 1, neighbours in time beside each other; `seconds` of speech weigh them.
    """
    if not len(vectors):
        return vectors
    groups = _Groups.of(vectors, seconds)
    while len(groups) > MOST_AT_ONCE:
        groups = groups.condensed()
    tree = groups.tree()
    if at_least < at_most:
        parts = groups.joined(_cut(tree, len(groups), max(FEWEST_PARTS, 2 * at_most)))
        parts = parts.refined(groups)
        united = parts.united()
        if at_least <= len(united) <= at_most:
            return united.refined(_Groups.of(vectors, seconds)).centres
        at_least = at_most = min(max(len(united), at_least), at_most)
    exactly = groups.joined(_cut(tree, len(groups), at_least))
    return exactly.refined(_Groups.of(vectors, seconds)).centres


@dataclass(frozen=True, slots=True)
class _Groups:
    """Groups of vectors by their weighted sums, which are all that Ward's method needs to know."""

    sums: Numbers
    seconds: Numbers

    @classmethod
    def of(cls, vectors: Vectors, seconds: Numbers) -> "_Groups":
        return cls(vectors * seconds[:, None], seconds)

    def __len__(self) -> int:
        return len(self.seconds)

    @property
    def centres(self) -> Vectors:
        return directions(self.sums)

    def joined(self, labels: Labels) -> "_Groups":
        """Those with the same label as one; labels count from 0 without a gap."""
        count = int(labels.max()) + 1
        sums = np.zeros((count, self.sums.shape[1]), np.float32)
        seconds = np.zeros(count, np.float32)
        np.add.at(sums, labels, self.sums)
        np.add.at(seconds, labels, self.seconds)
        return _Groups(sums, seconds)

    def condensed(self) -> "_Groups":
        """A tenth as many, made of neighbours only."""
        blocks = [
            _Groups(self.sums[at : at + BLOCK], self.seconds[at : at + BLOCK])
            for at in range(0, len(self), BLOCK)
        ]
        parts = [block.joined(_cut(block.tree(), len(block), BLOCK_PARTS)) for block in blocks]
        return _Groups(
            np.concatenate([part.sums for part in parts]), np.concatenate([part.seconds for part in parts])
        )

    def tree(self) -> list[tuple[int, int]]:
        """Which two to join, step by step, until one is left; the second goes into the first."""
        means = self.sums / self.seconds[:, None]
        squares = np.square(means).sum(axis=1)
        weights = self.seconds.copy()
        alive = np.ones(len(self), bool)
        steps: list[tuple[float, int, int]] = []
        chain: list[int] = []
        while len(steps) < len(self) - 1:
            if not chain:
                chain.append(int(alive.argmax()))
            last = chain[-1]
            # What joining adds to the sum of squared distances from the mean.
            apart = np.maximum(squares + squares[last] - 2 * (means @ means[last]), 0)
            cost = np.where(alive, apart * weights * weights[last] / (weights + weights[last]), np.inf)
            cost[last] = np.inf
            nearest = int(cost.argmin())
            if len(chain) == 1 or cost[nearest] < cost[chain[-2]]:
                chain.append(nearest)
                continue
            into = chain[-2]
            del chain[-2:]
            steps.append((float(cost[into]), into, last))
            share = weights[last] / (weights[into] + weights[last])
            means[into] += share * (means[last] - means[into])
            squares[into] = np.square(means[into]).sum()
            weights[into] += weights[last]
            alive[last] = False
        # The chain finds them out of order; a step never costs less than those it builds on.
        return [(into, gone) for _, into, gone in sorted(steps, key=lambda step: step[0])]

    def united(self) -> "_Groups":
        """Groups that are alike joined, the nearest first; too small ones before that, to their nearest."""
        groups = self
        while len(groups) > 1:
            centres = groups.centres
            cosines = centres @ centres.T
            smaller = np.minimum.outer(groups.seconds, groups.seconds)
            fit = np.where(cosines >= alike(smaller), cosines, -1)
            fit = np.where(smaller < LEAST_SECONDS, cosines + 1, fit)
            np.fill_diagonal(fit, -1)
            one, other = sorted(np.unravel_index(int(fit.argmax()), fit.shape))
            if fit[one, other] < 0:
                break
            labels = np.arange(len(groups))
            labels[other] = one
            labels[other + 1 :] -= 1
            groups = groups.joined(labels)
        return groups

    def refined(self, members: "_Groups") -> "_Groups":
        """The same number of groups after each member went to the nearest, a few times (k-means)."""
        groups = self
        centres = members.centres
        for _ in range(ROUNDS):
            labels = (centres @ groups.centres.T).argmax(axis=1)
            if len(np.unique(labels)) < len(groups):
                break
            groups = members.joined(labels)
        return groups


def _cut(tree: Sequence[tuple[int, int]], count: int, parts: int) -> Labels:
    """For each of `count` the number of its part when so many parts are left."""
    parent = list(range(count))

    def root(of: int) -> int:
        while parent[of] != of:
            parent[of] = parent[parent[of]]
            of = parent[of]
        return of

    for into, gone in itertools.islice(tree, max(count - parts, 0)):
        parent[root(gone)] = root(into)
    return np.unique([root(each) for each in range(count)], return_inverse=True)[1]
