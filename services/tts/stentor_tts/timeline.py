"""When what is said, in sound that is joined from sentences."""

from collections.abc import Iterable
from dataclasses import dataclass

from stentor_tts.engines import SpokenWord


@dataclass(frozen=True, slots=True)
class SpokenSentence:
    """A sentence of the script where it is in the sound."""

    text: str
    """As it is written."""
    spoken: str
    start_ms: int
    end_ms: int
    words: tuple[SpokenWord, ...] = ()
    """Of `spoken`; none where nobody could tell their times."""


class Timeline:
    """Counts samples, so that times stay right however many sentences are joined."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._samples = 0
        self._sentences: list[SpokenSentence] = []

    @property
    def sentences(self) -> tuple[SpokenSentence, ...]:
        return tuple(self._sentences)

    @property
    def samples(self) -> int:
        return self._samples

    @property
    def duration_ms(self) -> int:
        return self._ms(self._samples)

    def add(self, text: str, spoken: str, samples: int, words: Iterable[SpokenWord] = ()) -> SpokenSentence:
        """A sentence of so many samples; times of its words count from its own start in milliseconds."""
        start, end = self._ms(self._samples), self._ms(self._samples + samples)
        placed = tuple(
            SpokenWord(
                word.text,
                min(max(start + word.start_ms, start), end),
                min(max(start + word.end_ms, start), end),
            )
            for word in words
        )
        self._samples += samples
        self._sentences.append(SpokenSentence(text, spoken, start, end, placed))
        return self._sentences[-1]

    def rest(self, samples: int) -> None:
        """Silence of so many samples."""
        self._samples += samples

    def _ms(self, samples: int) -> int:
        return round(samples * 1000 / self._sample_rate)
