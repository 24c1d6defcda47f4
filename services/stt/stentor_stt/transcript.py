"""What was said and when: words in segments in a transcript. Times are whole milliseconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
"""Languages written without a space between sentences."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its punctuation, without surrounding blanks. Confidence is 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float

    def within(self, earliest_ms: int, latest_ms: int) -> Self:
        """The same word with both times moved into the span."""
        start, end = _within(self.start_ms, self.end_ms, earliest_ms, latest_ms)
        return replace(self, start_ms=start, end_ms=end)

    def shifted(self, offset_ms: int) -> Self:
        return replace(self, start_ms=self.start_ms + offset_ms, end_ms=self.end_ms + offset_ms)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech as the model cut it, with the figures that tell how sure it was.

    `words` is empty when word times were not asked for. `avg_logprob` is the mean log probability
    of the tokens, `compression_ratio` is high when the text repeats itself, `temperature` is above
    zero when the first try was rejected.
    """

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...]
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    temperature: float

    def shifted(self, offset_ms: int) -> Self:
        return replace(
            self,
            start_ms=self.start_ms + offset_ms,
            end_ms=self.end_ms + offset_ms,
            words=tuple(word.shifted(offset_ms) for word in self.words),
        )

    def within(self, earliest_ms: int, latest_ms: int) -> Self:
        """The same segment with its times, and its words' times in order, moved into the span."""
        start, end = _within(self.start_ms, self.end_ms, earliest_ms, latest_ms)
        words: list[Word] = []
        for word in self.words:
            words.append(word.within(words[-1].end_ms if words else start, end))
        return replace(self, start_ms=start, end_ms=end, words=tuple(words))


@dataclass(frozen=True, slots=True)
class Transcript:
    """The whole recording. `language` is what was spoken, None when there was no speech."""

    text: str
    language: str | None
    language_confidence: float | None
    duration_ms: int
    segments: tuple[Segment, ...]

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def confidence(self) -> float | None:
        """0 to 1: words, else segments, weighted by how long they last; None without speech."""
        words = self.words
        if words:
            return _mean((word.confidence, word.end_ms - word.start_ms) for word in words)
        if self.segments:
            return _mean((math.exp(min(0.0, s.avg_logprob)), s.end_ms - s.start_ms) for s in self.segments)
        return None

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers: what is stored as the job's result."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The transcript that `to_json` stored, also after a trip through JSON text."""
        return cls(**{**stored, "segments": tuple(_segment(each) for each in stored["segments"])})


def joined(
    pieces: Iterable[tuple[int, Sequence[Segment]]],
    *,
    duration_ms: int,
    language: str | None,
    language_confidence: float | None,
    text_language: str | None = None,
) -> Transcript:
    """One transcript from the results of windows, each with the time its window starts at.

    Times are made to rise and stay within the audio, since a model may overlap its segments by a
    few frames or end the last one after the end. `text_language` differs from `language` when the
    text is a translation.
    """
    segments: list[Segment] = []
    for offset_ms, found in pieces:
        for segment in found:
            earliest_ms = segments[-1].end_ms if segments else 0
            segments.append(segment.shifted(offset_ms).within(earliest_ms, duration_ms))
    separator = "" if (text_language or language) in UNSPACED else " "
    text = separator.join(segment.text for segment in segments if segment.text)
    return Transcript(text, language, language_confidence, duration_ms, tuple(segments))


def _segment(stored: dict[str, Any]) -> Segment:
    return Segment(**{**stored, "words": tuple(Word(**word) for word in stored["words"])})


def _within(start_ms: int, end_ms: int, earliest_ms: int, latest_ms: int) -> tuple[int, int]:
    start = min(max(start_ms, earliest_ms), latest_ms)
    return start, min(max(end_ms, start), latest_ms)


def _mean(weighted: Iterable[tuple[float, int]]) -> float:
    # A word may last no measurable time; it still counts a little.
    pairs = [(value, max(weight, 1)) for value, weight in weighted]
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)
