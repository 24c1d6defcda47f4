"""Who says what: voices are followed through a recording, and its words get their speakers."""

from __future__ import annotations

import itertools
import string
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from stentor_stt.options import Diarization
from stentor_stt.sound import SAMPLE_RATE, Sound
from stentor_stt.transcript import Segment, Transcript, Word
from stentor_stt.voices import Encoder
from stentor_stt.voices.groups import voices
from stentor_stt.voices.turns import of_one_speaker
from stentor_stt.voices.vectors import Matrix, Vectors, directions
from stentor_stt.voices.windows import WINDOW, Edges, windows

SWITCH = 0.06
"""What a change of speaker costs, in likeness times seconds: one word alone rarely changes it."""

PAUSE_FACTOR = 4
"""After a pause a change is likelier: its cost is divided by one plus this for each second."""

KNOWN = 0.76
"""The cosine from which on a voice may be a known one. With samples of 2 to 9 seconds of 12 voices and half a
minute of each in recordings made alike, none was missed and 2 to 5 % of strangers would have passed for a
given one; between a clean sample and a telephone line 11 % were missed."""

SAMPLES_PER_MS = SAMPLE_RATE / 1000

Voice: TypeAlias = tuple[int | None, int]
"""Channel, and the number of the voice on it."""

Spans: TypeAlias = Iterable[tuple[int, int]]
"""(First, one past last) sample, counted from the recording's start."""


class SpeakerTracker:
    """Learns the voices of one recording while it passes, and tells at the end who said what.

    Keeps the voice vectors only: 5 MB for an hour of speech. All methods block; `add` may be called by
    any number of threads at once, `label` when they are done.
    """

    def __init__(self, encoder: Encoder, wanted: Diarization) -> None:
        self._encoder = encoder
        self._wanted = wanted
        self._heard: defaultdict[int | None, list[_Heard]] = defaultdict(list)
        self._known: dict[str, _Known] = {}

    def know(self, name: str, sound: Sound, speech: Spans) -> bool:
        """Remember a voice: whoever sounds like it bears the name. False when nobody speaks in it.

        `speech` counts from the sound's start. A voice may have several samples.
        """
        found = windows(sound, speech)
        vectors = self._encoder.vectors(found.features)
        if found.features:
            heard = _Known(found.seconds @ vectors, float(found.seconds.sum()))
            before = self._known.get(name)
            self._known[name] = before.with_more(heard) if before else heard
        return bool(found.features)

    def add(self, sound: Sound, start: int, speech: Spans, channel: int | None = None) -> None:
        """Take in sound from sample `start` of the recording on; `speech` says where somebody speaks in it.

        Pieces may come in any order. Channels that are told apart have their own speakers.
        """
        found = windows(sound, ((first - start, end - start) for first, end in speech))
        vectors = self._encoder.vectors(found.features)
        self._heard[channel].append(_Heard(found.edges + start, found.seconds, vectors))

    def label(self, transcript: Transcript) -> Transcript:
        """The same transcript with a speaker for each word and segment.

        Segments are cut where the speaker changes between their words. Speakers are A, B, C… in the
        order in which they are first heard, or known names.
        """
        channels = {channel: _Channel.of(heard, self._wanted) for channel, heard in self._heard.items()}
        names = _Names(self._named(channels))
        speaking = _speaking(transcript.segments, channels)
        segments: list[Segment] = []
        for segment, numbers in zip(transcript.segments, speaking, strict=True):
            speakers = [names.of((segment.channel, number)) for number in numbers]
            if segment.words:
                segments += of_one_speaker(segment, speakers, transcript.separator)
            else:
                segments.append(replace(segment, speaker=speakers[0]))
        return replace(transcript, segments=tuple(segments))

    def _named(self, channels: dict[int | None, _Channel]) -> dict[Voice, str]:
        """Voices that are near enough to a known one, the nearest first; no name is given twice."""
        likeness = sorted(
            (
                (float(centre @ known.centre), name, (channel, number))
                for name, known in self._known.items()
                for channel, found in channels.items()
                for number, centre in enumerate(found.centres)
                if centre @ known.centre >= KNOWN
            ),
            key=lambda each: -each[0],
        )
        named: dict[Voice, str] = {}
        for _, name, voice in likeness:
            if voice not in named and name not in named.values():
                named[voice] = name
        return named


@dataclass(frozen=True, slots=True)
class _Known:
    """A known voice: its vectors' weighted sum, and of how much speech they are."""

    total: Matrix
    seconds: float

    @property
    def centre(self) -> Matrix:
        return directions(self.total)

    def with_more(self, heard: _Known) -> _Known:
        return _Known(self.total + heard.total, self.seconds + heard.seconds)


@dataclass(frozen=True, slots=True)
class _Heard:
    """Windows of a piece of the recording; edges are samples of the recording."""

    edges: Edges
    seconds: Matrix
    vectors: Vectors


class _Channel:
    """The voices of a channel, and how much each of its windows is like each of them."""

    def __init__(self, edges: Edges, likeness: Matrix, centres: Vectors) -> None:
        self.centres = centres
        self._starts, self._ends = (edges / SAMPLES_PER_MS).T
        self._likeness = likeness

    @classmethod
    def of(cls, heard: Sequence[_Heard], wanted: Diarization) -> _Channel:
        edges = np.concatenate([each.edges for each in heard])
        in_order = edges[:, 0].argsort()
        vectors = np.concatenate([each.vectors for each in heard])[in_order]
        seconds = np.concatenate([each.seconds for each in heard])[in_order]
        bounds = (wanted.at_least, wanted.at_most)
        at_least, at_most = (wanted.speakers, wanted.speakers) if wanted.speakers else bounds
        centres = voices(vectors, seconds, at_least=at_least, at_most=at_most)
        return cls(edges[in_order], vectors @ centres.T, centres)

    def like(self, start_ms: int, end_ms: int) -> Matrix:
        """How much what is heard in a stretch of time is like each voice, -1 to 1."""
        end_ms = max(end_ms, start_ms + 1)
        first = bisect_left(self._starts, start_ms - WINDOW / SAMPLES_PER_MS)
        last = bisect_left(self._starts, end_ms)
        starts, ends = self._starts[first:last], self._ends[first:last]
        shared = np.minimum(ends, end_ms) - np.maximum(starts, start_ms)
        # A window tells most about its middle.
        apart = np.abs((starts + ends) - (start_ms + end_ms)) / ((ends - starts) + (end_ms - start_ms))
        weights = np.maximum(shared, 0) * (1 - apart)
        if weights.any():
            found: Matrix = weights @ self._likeness[first:last] / weights.sum()
        else:
            gaps = np.maximum(self._starts - end_ms, start_ms - self._ends)
            found = self._likeness[gaps.argmin()]
        return found


class _Names:
    """Names of voices; those that are not known are called A, B, C… as they come."""

    def __init__(self, known: dict[Voice, str]) -> None:
        self._given = known
        taken = set(known.values())
        self._free = (letters for letters in _letters() if letters not in taken)

    def of(self, voice: Voice) -> str:
        if voice not in self._given:
            self._given[voice] = next(self._free)
        return self._given[voice]


def _letters() -> Iterator[str]:
    """A to Z, then AA, AB…"""
    for count in itertools.count(1):
        yield from map("".join, itertools.product(string.ascii_uppercase, repeat=count))


def _speaking(segments: Sequence[Segment], channels: dict[int | None, _Channel]) -> list[list[int]]:
    """For each segment the number of the voice of each of its words, or one for all when it has none."""
    found: list[list[int]] = [[] for _ in segments]
    for channel in {segment.channel for segment in segments}:
        units = [
            (at, unit)
            for at, segment in enumerate(segments)
            if segment.channel == channel
            for unit in segment.words or (segment,)
        ]
        numbers = _most_likely([unit for _, unit in units], channels.get(channel))
        for (at, _), number in zip(units, numbers, strict=True):
            found[at].append(number)
    return found


def _most_likely(units: Sequence[Word | Segment], channel: _Channel | None) -> list[int]:
    """The voices that are most like what is heard, where changing the voice has a price (Viterbi)."""
    if channel is None or not len(channel.centres):
        return [0] * len(units)
    total = np.zeros(len(channel.centres))
    end_ms = 0
    came_from: list[Matrix] = []
    for unit in units:
        price = SWITCH / (1 + PAUSE_FACTOR * max(unit.start_ms - end_ms, 0) / 1000)
        best = int(total.argmax())
        changed = total < total[best] - price
        came_from.append(np.where(changed, best, np.arange(len(total))))
        seconds = max(unit.end_ms - unit.start_ms, 100) / 1000
        total = np.maximum(total, total[best] - price) + seconds * channel.like(unit.start_ms, unit.end_ms)
        end_ms = unit.end_ms
    path = [int(total.argmax())]
    for choice in reversed(came_from[1:]):
        path.append(int(choice[path[-1]]))
    return path[::-1]
