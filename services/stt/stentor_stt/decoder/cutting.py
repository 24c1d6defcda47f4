"""Sound of any length as pieces that are heard at once: cut in pauses, long silence left out."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stentor_stt.decoder.voice import FRAME, Judge
from stentor_stt.sound import SAMPLE_RATE, Sound

BEGINS = 0.5
"""How probable speech must be for it to begin."""
ENDS = 0.35
"""How improbable, for it to end."""

SHORT_PAUSE = round(0.2 * SAMPLE_RATE)
"""Shorter ones are within words."""
GOOD_PAUSE = round(0.6 * SAMPLE_RATE)
"""A pause this long is as good a place to cut as a longer one, so the last of them is taken."""
LONG_PAUSE = 2 * SAMPLE_RATE
"""Longer ones are not given to the model, which invents words for them."""

MARGIN = round(0.3 * SAMPLE_RATE)
"""Sound kept before and after speech: its edges are not found to the sample."""

FULL_ENOUGH = 0.5
"""Part of a whole piece before whose end a better pause is not looked for, if there is another."""

QUIET_SAMPLES = round(0.1 * SAMPLE_RATE)
"""How long it has to be quiet where there is no pause at all."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Sound from sample `start` on, and where in the recording somebody speaks in it: (first, one past
    last) sample."""

    start: int
    sound: Sound
    speech: tuple[tuple[int, int], ...]


class Cutter:
    """One channel's sound, taken as it comes, in pieces.

    All speech is in exactly one piece. Pieces are in order and share no sample; a piece is as long as its
    speech, pauses up to LONG_PAUSE and a margin, and never longer than `longest`.
    """

    def __init__(self, judge: Judge, *, longest: int, start: int = 0) -> None:
        self._judge = judge
        self._longest = longest
        self._held: Sound = np.zeros(0, np.float32)
        self._first = start
        """Which sample is the first of those held. None before it will be in a piece."""
        self._speech = _Speech(start)

    @property
    def settled(self) -> int:
        """All sound before this sample is in a piece or left out."""
        return self._first

    def take(self, sound: Sound) -> Iterator[Piece]:
        """More sound; gives the pieces that are finished by it."""
        self._held = np.concatenate((self._held, sound))
        fresh = self._held[self._speech.judged - self._first :]
        whole = len(fresh) // FRAME * FRAME
        self._speech.add(self._judge(fresh[:whole].reshape(-1, FRAME)))
        yield from self._pieces(ended=False)

    def rest(self) -> Iterator[Piece]:
        """What is left when no more sound comes."""
        end = self._first + len(self._held)
        fresh = self._held[self._speech.judged - self._first :]
        if len(fresh):
            last = np.zeros(FRAME, np.float32)
            last[: len(fresh)] = fresh
            self._speech.add(self._judge(last[None]))
        self._speech.end(end)
        yield from self._pieces(ended=True)
        self._forget(end)

    def _pieces(self, *, ended: bool) -> Iterator[Piece]:
        while spans := self._speech.spans:
            self._forget(max(self._first, spans[0][0] - MARGIN))
            reach, rest = self._reach(ended)
            if reach - self._first > self._longest:
                yield self._ended_at(self._best_cut(spans))
            elif rest is not None:
                yield self._ended_at((reach, rest))
            else:
                return
        self._forget(max(self._first, self._speech.judged - MARGIN))

    def _reach(self, ended: bool) -> tuple[int, int | None]:
        """How far speech goes on without a long pause, margin included, and where the sound after it
        begins to matter; None for that when there may be more of it."""
        spans = self._speech.spans
        for (_, end), (begin, _) in pairwise(spans):
            if begin - end > LONG_PAUSE:
                return end + MARGIN, end + MARGIN
        end, judged = spans[-1][1], self._speech.judged
        if ended:
            reach = min(end + MARGIN, self._first + len(self._held))
            return reach, reach
        over = not self._speech.goes_on and judged - end > LONG_PAUSE
        return (end + MARGIN, end + MARGIN) if over else (min(end + MARGIN, judged), None)

    def _best_cut(self, spans: list[tuple[int, int]]) -> tuple[int, int]:
        """Where to end a piece that would be too long, and where the next one may begin."""
        latest = self._first + self._longest
        early = self._first + round(self._longest * FULL_ENOUGH)
        pauses = [
            (end, begin)
            for (_, end), (begin, _) in pairwise(spans)
            if min(end + MARGIN, (end + begin) // 2) <= latest
        ]
        if late := [pause for pause in pauses if pause[0] >= early]:
            pauses = late
        if not pauses:
            at = early + _quietest(self._sound(early, latest))
            return at, at
        end, begin = max(pauses, key=lambda pause: (min(pause[1] - pause[0], GOOD_PAUSE), pause[0]))
        middle = (end + begin) // 2
        return min(end + MARGIN, middle), max(begin - MARGIN, middle)

    def _ended_at(self, cut: tuple[int, int]) -> Piece:
        end, rest = cut
        speech = self._speech.taken_until(end)
        piece = Piece(self._first, self._sound(self._first, end), tuple(speech))
        self._forget(rest)
        return piece

    def _sound(self, begin: int, end: int) -> Sound:
        return self._held[begin - self._first : end - self._first]

    def _forget(self, until: int) -> None:
        self._held = self._held[until - self._first :]
        self._first = until


class _Speech:
    """Stretches of speech out of the probabilities of frames."""

    def __init__(self, start: int) -> None:
        self.judged = start
        """The sample up to which it is known."""
        self.spans: list[tuple[int, int]] = []
        """(first, one past last) sample. The last one may go on."""
        self.goes_on = False
        self._quiet_since: int | None = None

    def add(self, probable: npt.NDArray[np.float32]) -> None:
        for value in probable.tolist():
            self._add(value)
            self.judged += FRAME
            if self.goes_on and self._quiet_since is None:
                self.spans[-1] = (self.spans[-1][0], self.judged)

    def _add(self, value: float) -> None:
        if value >= BEGINS:
            self._quiet_since = None
            if not self.goes_on:
                self.goes_on = True
                self.spans.append((self.judged, self.judged))
        elif self.goes_on:
            if value < ENDS and self._quiet_since is None:
                self._quiet_since = self.judged
            if self._quiet_since is not None and self.judged + FRAME - self._quiet_since >= SHORT_PAUSE:
                self.goes_on, self._quiet_since = False, None

    def end(self, at: int) -> None:
        """There is no sound from this sample on."""
        self.judged, self.goes_on = at, False
        self.spans = [(begin, min(end, at)) for begin, end in self.spans]

    def taken_until(self, end: int) -> list[tuple[int, int]]:
        """Takes out what lies before a sample; a stretch on both sides of it is parted."""
        taken = [(first, min(last, end)) for first, last in self.spans if first < end]
        self.spans = [(max(first, end), last) for first, last in self.spans if last > end]
        return taken


def _quietest(sound: Sound) -> int:
    """The middle of the quietest stretch; of several the last one, so that the piece is as full as can be."""
    size = min(QUIET_SAMPLES, len(sound))
    loud = np.concatenate(([0.0], np.cumsum(np.square(sound, dtype=np.float64))))
    energy = loud[size:] - loud[:-size]
    # Sums of floating-point numbers differ by a little where the sound does not.
    quiet = np.flatnonzero(energy <= energy.min() + 1e-9)
    return int(quiet[-1]) + size // 2
