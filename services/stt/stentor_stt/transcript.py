"""What was said and when: words in segments in a transcript. Times are whole milliseconds."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, Self

UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km"})
"""Languages written without a space between sentences."""


class Flag(StrEnum):
    """What is suspicious about a segment: the model may have made it up."""

    REPETITIVE = "repetitive"
    """The text repeats itself."""
    IMPROBABLE = "improbable"
    """The model itself does not believe in it."""
    NO_SPEECH = "no_speech"
    """The model hears nobody speak."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its punctuation, without surrounding blanks. Confidence is 0 to 1."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    speaker: str | None = None
    """A, B, C… or a known name; None where speakers are not told apart."""
    channel: int | None = None
    """Counted from 0, where channels were heard by themselves."""

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
    tokens: tuple[int, ...] = ()
    window_ms: int = 0
    """Where the sound began that was heard at once with this."""
    flags: tuple[Flag, ...] = ()
    """Why the text may be wrong."""
    speaker: str | None = None
    channel: int | None = None

    def shifted(self, offset_ms: int) -> Self:
        return replace(
            self,
            start_ms=self.start_ms + offset_ms,
            end_ms=self.end_ms + offset_ms,
            window_ms=self.window_ms + offset_ms,
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
class Utterance:
    """What one speaker says without a long pause."""

    start_ms: int
    end_ms: int
    text: str
    words: tuple[Word, ...]
    speaker: str | None
    channel: int | None

    @classmethod
    def of(cls, segment: Segment) -> Self:
        return cls(
            segment.start_ms, segment.end_ms, segment.text, segment.words, segment.speaker, segment.channel
        )

    def with_more(self, segment: Segment, separator: str) -> Self:
        return replace(
            self,
            end_ms=segment.end_ms,
            text=separator.join((self.text, segment.text)),
            words=(*self.words, *segment.words),
        )


@dataclass(frozen=True, slots=True)
class Transcript:
    """The whole recording. `language` is what was spoken, None when there was no speech."""

    text: str
    language: str | None
    language_confidence: float | None
    duration_ms: int
    segments: tuple[Segment, ...]
    text_language: str | None = None
    """What the text is written in, where that is not what was spoken."""
    summary: str | None = None
    """Where one was wanted."""

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for segment in self.segments for word in segment.words)

    def utterances(self, pause_ms: int = 800) -> list[Utterance]:
        """Runs of segments' words by one speaker on one channel, ended by a pause this long."""
        found: list[Utterance] = []
        for segment in self.segments:
            same = found and (found[-1].speaker, found[-1].channel) == (segment.speaker, segment.channel)
            if same and segment.start_ms - found[-1].end_ms < pause_ms:
                found[-1] = found[-1].with_more(segment, self.separator)
            else:
                found.append(Utterance.of(segment))
        return found

    @property
    def separator(self) -> str:
        return separator_of(self.text_language or self.language)

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
    text = separator_of(text_language or language).join(segment.text for segment in segments if segment.text)
    return Transcript(text, language, language_confidence, duration_ms, tuple(segments), text_language)


def separator_of(language: str | None) -> str:
    """What stands between two sentences."""
    return "" if language in UNSPACED else " "


def _segment(stored: dict[str, Any]) -> Segment:
    typed = {
        "words": tuple(Word(**word) for word in stored["words"]),
        "tokens": tuple(stored["tokens"]),
        "flags": tuple(Flag(flag) for flag in stored["flags"]),
    }
    return Segment(**{**stored, **typed})


def _within(start_ms: int, end_ms: int, earliest_ms: int, latest_ms: int) -> tuple[int, int]:
    start = min(max(start_ms, earliest_ms), latest_ms)
    return start, min(max(end_ms, start), latest_ms)


def _mean(weighted: Iterable[tuple[float, int]]) -> float:
    # A word may last no measurable time; it still counts a little.
    pairs = [(value, max(weight, 1)) for value, weight in weighted]
    return sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs)
