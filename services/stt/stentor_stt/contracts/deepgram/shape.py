"""A transcript as Deepgram's answers show it (its API reference, `POST /v1/listen`), which AI/ML API's
answers repeat. Times are seconds, speakers are numbered from 0 in the order in which they are heard.

Pure: from a transcript, what is known about its making, and how much of it was asked for.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stentor_stt.paragraphs import Paragraph, Sentence
from stentor_stt.paragraphs import paragraphs as in_paragraphs
from stentor_stt.plain import plain
from stentor_stt.transcript import Transcript, Utterance, Word

UTT_SPLIT_SECONDS = 0.8
"""Pause that ends an utterance, unless the caller says otherwise."""


@dataclass(frozen=True, slots=True)
class Warned:
    """An option that was sent and not done."""

    parameter: str
    message: str
    kind: str = "unsupported_parameter"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is told about the making of a transcript."""

    request_id: str
    created: datetime
    model: str
    """Name of the model that did the work."""
    sha256: str = ""
    """Of the recording, in hexadecimal; empty when nobody knows."""
    warnings: Sequence[Warned] = ()
    tags: Sequence[str] = ()
    extra: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Which parts were asked for. As at Deepgram, all of them are off unless a caller wants them."""

    punctuate: bool = False
    """Capitals and punctuation in transcripts; words have them beside their plain form either way."""
    paragraphs: bool = False
    """Needs, and so brings, punctuation."""
    utterances: bool = False
    utt_split_seconds: float = UTT_SPLIT_SECONDS
    detect_language: bool = False
    search: Sequence[str] = ()
    """Phrases whose places are listed."""


def listen_body(transcript: Transcript, facts: Facts, layout: Layout | None = None) -> dict[str, Any]:
    """The whole answer: `metadata` and `results`."""
    return _Rendering(transcript, layout or Layout()).body(facts)


@dataclass(frozen=True, slots=True)
class _Rendering:
    transcript: Transcript
    layout: Layout
    numbers: dict[str, int] = field(default_factory=dict)

    def body(self, facts: Facts) -> dict[str, Any]:
        voices = (word.speaker for word in self.transcript.words if word.speaker is not None)
        self.numbers.update({name: number for number, name in enumerate(dict.fromkeys(voices))})
        results: dict[str, Any] = {"channels": [self._channel(number) for number in self._channels()]}
        if self.layout.utterances:
            pause_ms = round(self.layout.utt_split_seconds * 1000)
            results["utterances"] = [self._utterance(each) for each in self.transcript.utterances(pause_ms)]
        return {"metadata": self._metadata(facts), "results": results}

    def _channels(self) -> Sequence[int | None]:
        """Channels by number, or None for a recording that was heard as one."""
        numbers = [part.channel for part in self.transcript.segments if part.channel is not None]
        return range(max(numbers) + 1) if numbers else (None,)

    def _metadata(self, facts: Facts) -> dict[str, Any]:
        # Deepgram names models by ids that mean nothing; ours is always the same for a name.
        model_id = str(uuid.uuid5(uuid.NAMESPACE_OID, facts.model))
        told: dict[str, Any] = {
            "transaction_key": "deprecated",
            "request_id": facts.request_id,
            "sha256": facts.sha256,
            "created": facts.created.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
            "duration": self.transcript.duration_ms / 1000,
            "channels": len(self._channels()),
            "models": [model_id],
            "model_info": {model_id: {"name": facts.model, "version": "1", "arch": "whisper"}},
        }
        if facts.warnings:
            told["warnings"] = [
                {"parameter": each.parameter, "type": each.kind, "message": each.message}
                for each in facts.warnings
            ]
        if facts.tags:
            told["tags"] = list(facts.tags)
        if facts.extra is not None:
            told["extra"] = facts.extra
        return told

    def _channel(self, number: int | None) -> dict[str, Any]:
        segments = [part for part in self.transcript.segments if part.channel == number]
        words = tuple(word for part in segments for word in part.words)
        text = self.transcript.separator.join(part.text for part in segments if part.text)
        alternative = {
            "transcript": self._text(text),
            "confidence": _confidence(words),
            "words": [self._word(word) for word in words],
        }
        if self.layout.paragraphs:
            alternative["paragraphs"] = self._paragraphs(words)
        channel: dict[str, Any] = {"alternatives": [alternative]}
        if self.layout.search:
            channel["search"] = [_search(phrase, words) for phrase in self.layout.search]
        if self.layout.detect_language:
            channel["detected_language"] = self.transcript.language
            channel["language_confidence"] = self.transcript.language_confidence
        return channel

    def _text(self, text: str) -> str:
        return text if self.layout.punctuate or self.layout.paragraphs else plain(text)

    def _word(self, word: Word) -> dict[str, Any]:
        told: dict[str, Any] = {
            "word": plain(word.text) or word.text,
            "start": word.start_ms / 1000,
            "end": word.end_ms / 1000,
            "confidence": word.confidence,
            "punctuated_word": word.text,
        }
        return told | self._speaker(word.speaker)

    def _speaker(self, name: str | None) -> dict[str, Any]:
        return {} if name is None else {"speaker": self.numbers[name]}

    def _utterance(self, utterance: Utterance) -> dict[str, Any]:
        place = f"{utterance.channel} {utterance.start_ms} {utterance.text}"
        return {
            "start": utterance.start_ms / 1000,
            "end": utterance.end_ms / 1000,
            "confidence": _confidence(utterance.words),
            "channel": utterance.channel or 0,
            "transcript": self._text(utterance.text),
            "words": [self._word(word) for word in utterance.words],
            # Always the same for the same utterance, however often it is asked for.
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, place)),
            **self._speaker(utterance.speaker),
        }

    def _paragraphs(self, words: Sequence[Word]) -> dict[str, Any]:
        found = in_paragraphs(words, separator=self.transcript.separator)
        return {
            "transcript": "".join(f"\n{self._spoken(each)}\n" for each in found),
            "paragraphs": [
                {
                    "sentences": [_sentence(sentence) for sentence in each.sentences],
                    "num_words": len(each.words),
                    "start": each.start_ms / 1000,
                    "end": each.end_ms / 1000,
                    **self._speaker(each.words[0].speaker),
                }
                for each in found
            ],
        }

    def _spoken(self, paragraph: Paragraph) -> str:
        name = paragraph.words[0].speaker
        return paragraph.text if name is None else f"Speaker {self.numbers[name]}: {paragraph.text}"


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "start": sentence.start_ms / 1000,
        "end": sentence.end_ms / 1000,
    }


def _search(phrase: str, words: Sequence[Word]) -> dict[str, Any]:
    """Where the phrase is said, word for word; case and punctuation do not matter."""
    wanted, said = plain(phrase).split(), [plain(word.text) for word in words]
    places = range(len(words) - len(wanted) + 1) if wanted else ()
    hits = [_hit(words[at : at + len(wanted)]) for at in places if said[at : at + len(wanted)] == wanted]
    return {"query": phrase, "hits": hits}


def _hit(words: Sequence[Word]) -> dict[str, Any]:
    return {
        "confidence": _confidence(words),
        "start": words[0].start_ms / 1000,
        "end": words[-1].end_ms / 1000,
        "snippet": " ".join(plain(word.text) for word in words),
    }


def _confidence(words: Iterable[Word]) -> float:
    """The mean of the words', 0 to 1; 0 when nothing is said."""
    each = [word.confidence for word in words]
    return sum(each) / len(each) if each else 0.0
