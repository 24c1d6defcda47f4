"""A transcript as AssemblyAI's answers show it (its API reference, `GET /v2/transcript/{id}`), and those of
AI/ML API for its models. Times are whole milliseconds, the length of the recording whole seconds."""

from typing import Any

from stentor_stt.options import Options
from stentor_stt.transcript import Transcript, Utterance, Word


def transcript_fields(transcript: Transcript, options: Options) -> dict[str, Any]:
    """What a completed transcript holds, beside what the request said itself."""
    apart = options.diarization is not None or options.split_channels
    return {
        "text": transcript.text,
        "words": [word_fields(word) for word in transcript.words],
        "utterances": [_utterance(each) for each in transcript.utterances()] if apart else None,
        "confidence": transcript.confidence,
        "audio_duration": round(transcript.duration_ms / 1000),
        "language_code": transcript.language,
        "language_confidence": transcript.language_confidence,
    }


def word_fields(word: Word) -> dict[str, Any]:
    return {
        "text": word.text,
        "start": word.start_ms,
        "end": word.end_ms,
        "confidence": word.confidence,
        "speaker": _voice(word),
        "channel": _channel(word),
    }


def _utterance(utterance: Utterance) -> dict[str, Any]:
    each = [word.confidence for word in utterance.words]
    return {
        "text": utterance.text,
        "start": utterance.start_ms,
        "end": utterance.end_ms,
        "confidence": sum(each) / len(each) if each else 0.0,
        "speaker": _voice(utterance),
        "channel": _channel(utterance),
        "words": [word_fields(word) for word in utterance.words],
    }


def _voice(spoken: Word | Utterance) -> str | None:
    """A, B, C…; on channels heard by themselves, their numbers."""
    return spoken.speaker or _channel(spoken)


def _channel(spoken: Word | Utterance) -> str | None:
    """Counted from 1."""
    return None if spoken.channel is None else str(spoken.channel + 1)
