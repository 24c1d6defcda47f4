"""What is said in one turn: the words so far, and what is told about them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from stentor_stt.live.agreement import Agreement, place_to_cut
from stentor_stt.live.events import Committed, Event, Final, Settled, SpeechStopped, Tentative
from stentor_stt.live.runs import Run
from stentor_stt.transcript import Word, separator_of

if TYPE_CHECKING:
    from stentor_stt.engines import Heard


SURE = 0.7
"""Confidence from which a language is no longer asked for. Of a few words it may be guessed wrong."""


class Turn:
    """Grows with each hypothesis. The sound of a long one is let go piece by piece; each piece has an
    agreement of its own."""

    def __init__(self, number: int, start_ms: int) -> None:
        self.number = number
        self.start_ms = start_ms
        self.speech_end_ms: int | None = None
        self._language: str | None = None
        self._language_confidence = 0.0
        self._words: list[Word] = []
        self._agreement = Agreement()
        self._shown = ""

    @property
    def before(self) -> str:
        """The text whose sound is let go."""
        return self._text(self._words[: len(self._words) - len(self._agreement.settled)])

    @property
    def settled_language(self) -> str | None:
        """The language in which the rest is heard; None while that must still be found out."""
        return self._language if self._words and self._language_confidence >= SURE else None

    def hear(self, run: Run, heard: Heard, until_ms: int) -> Iterator[Event]:
        """Take the next hypothesis, of sound up to `until_ms`."""
        self.speech_end_ms = run.end_ms
        confidence = heard.language_confidence or 0.0
        if self.settled_language is None and confidence >= self._language_confidence:
            self._language, self._language_confidence = heard.language, confidence
        yield from self._tell(self._agreement.hear(run.words, until_ms))

    def settle(self, until_ms: int | None = None) -> Iterator[Event]:
        """Take the words of the last hypothesis, or those that end by then, for true."""
        yield from self._tell(self._agreement.settle(until_ms))

    def tentative(self) -> Iterator[Event]:
        text = self._text(self._agreement.rest)
        if text and self._words:
            text = separator_of(self._language) + text
        if text != self._shown:
            self._shown = text
            yield Tentative(self.number, text)

    def place_to_cut(self, latest_ms: int) -> int | None:
        """Behind the last settled sentence."""
        return place_to_cut(self._agreement.settled, latest_ms, sentences_only=True)

    def any_place_to_cut(self, latest_ms: int) -> int:
        """Where it does the least harm."""
        return place_to_cut([*self._agreement.settled, *self._agreement.rest], latest_ms) or latest_ms

    def let_go(self, until_ms: int) -> None:
        """The sound before is gone."""
        self._agreement.forget(until_ms)

    def stop(self) -> Iterator[Event]:
        """The end by a pause."""
        assert self.speech_end_ms is not None
        yield SpeechStopped(self.number, self.speech_end_ms)
        yield from self.finish(self.speech_end_ms)

    def finish(self, end_ms: int) -> Iterator[Event]:
        yield Committed(self.number, end_ms)
        yield from self.settle()
        yield Final(
            turn=self.number,
            text=self._text(self._words),
            words=tuple(self._words),
            start_ms=self.start_ms,
            end_ms=end_ms,
            language=self._language,
            language_confidence=self._language_confidence if self._language else None,
        )

    def _tell(self, words: Sequence[Word]) -> Iterator[Event]:
        if not words:
            return
        before, count = self._text(self._words), len(self._words)
        for word in words:
            # Each hypothesis puts the words a little otherwise in time, and may let one end after its speech.
            earliest_ms = self._words[-1].end_ms if self._words else 0
            latest_ms = word.end_ms if self.speech_end_ms is None else min(word.end_ms, self.speech_end_ms)
            self._words.append(word.within(earliest_ms, max(earliest_ms, latest_ms)))
        self._shown = ""
        yield Settled(self.number, self._text(self._words)[len(before) :], tuple(self._words[count:]))

    def _text(self, words: Iterable[Word]) -> str:
        return separator_of(self._language).join(word.text for word in words)
