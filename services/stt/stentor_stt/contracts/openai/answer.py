"""What the OpenAI audio contract answers: a transcript in each of its formats. Times are in seconds."""

from collections.abc import Collection
from typing import Literal

from fastapi.responses import JSONResponse, PlainTextResponse, Response

from stentor_common.wire import Wire
from stentor_stt import subtitles
from stentor_stt.contracts.openai.form import AudioForm, TranscriptionForm
from stentor_stt.languages import LANGUAGES
from stentor_stt.options import Task
from stentor_stt.transcript import Segment, Transcript, Word

UNKNOWN = "unknown"
"""Said for the language where nobody speaks, and for a speaker that could not be told."""

PLAIN = {"text": subtitles.to_text, "srt": subtitles.to_srt, "vtt": subtitles.to_vtt}


class Usage(Wire):
    type: Literal["duration"]
    seconds: float
    """Length of the recording."""


class DetectedLanguage(Wire):
    code: str


class TextAnswer(Wire):
    """`json`"""

    text: str
    languages: list[DetectedLanguage]
    """What is spoken; empty when nobody speaks."""
    usage: Usage


class WordAnswer(Wire):
    word: str
    """With its punctuation."""
    start: float
    end: float


class SegmentAnswer(Wire):
    id: int
    """Counted from 0."""
    seek: int
    """Where the sound began that the model heard at once, in hundredths of a second."""
    start: float
    end: float
    text: str
    """Begins with a blank where the language has blanks: the texts of all segments make the whole."""
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class VerboseAnswer(Wire):
    """`verbose_json`; `words` and `segments` are there when `timestamp_granularities` name them."""

    task: Task
    language: str
    """English name of what the text is written in."""
    duration: float
    text: str
    words: list[WordAnswer] | None
    segments: list[SegmentAnswer] | None
    usage: Usage


class SpokenAnswer(Wire):
    type: Literal["transcript.text.segment"]
    id: str
    start: float
    end: float
    text: str
    speaker: str
    """A, B, C… in the order in which they are first heard, or a known name."""


class DiarizedAnswer(Wire):
    """`diarized_json`"""

    task: Task
    duration: float
    text: str
    segments: list[SpokenAnswer]
    usage: Usage


def answer(form: AudioForm, transcript: Transcript, task: Task) -> Response:
    """The transcript as the form wants it."""
    wanted = form.response_format
    if wanted in PLAIN:
        return PlainTextResponse(PLAIN[wanted](transcript))
    body: Wire
    if wanted == "diarized_json":
        body = diarized(transcript)
    elif wanted == "verbose_json":
        granularities = form.timestamp_granularities if isinstance(form, TranscriptionForm) else ["segment"]
        body = verbose(transcript, task, granularities)
    else:
        body = TextAnswer(text=transcript.text, languages=languages(transcript), usage=usage(transcript))
    return JSONResponse(body.model_dump(mode="json", exclude_none=True))


def verbose(transcript: Transcript, task: Task, granularities: Collection[str]) -> VerboseAnswer:
    lead = transcript.separator
    segments = [_segment(number, each, lead) for number, each in enumerate(transcript.segments)]
    written = transcript.text_language or transcript.language
    return VerboseAnswer(
        task=task,
        language=LANGUAGES.get(written, written) if written else UNKNOWN,
        duration=transcript.duration_ms / 1000,
        text=transcript.text,
        words=[_word(each) for each in transcript.words] if "word" in granularities else None,
        segments=segments if "segment" in granularities else None,
        usage=usage(transcript),
    )


def diarized(transcript: Transcript) -> DiarizedAnswer:
    return DiarizedAnswer(
        task=Task.TRANSCRIBE,
        duration=transcript.duration_ms / 1000,
        text=transcript.text,
        segments=spoken(transcript),
        usage=usage(transcript),
    )


def spoken(transcript: Transcript) -> list[SpokenAnswer]:
    """What each speaker says without a long pause."""
    return [
        SpokenAnswer(
            type="transcript.text.segment",
            id=f"seg_{number}",
            start=each.start_ms / 1000,
            end=each.end_ms / 1000,
            text=each.text,
            speaker=each.speaker or UNKNOWN,
        )
        for number, each in enumerate(transcript.utterances())
    ]


def languages(transcript: Transcript) -> list[DetectedLanguage]:
    return [DetectedLanguage(code=transcript.language)] if transcript.language else []


def usage(transcript: Transcript) -> Usage:
    return Usage(type="duration", seconds=transcript.duration_ms / 1000)


def _word(word: Word) -> WordAnswer:
    return WordAnswer(word=word.text, start=word.start_ms / 1000, end=word.end_ms / 1000)


def _segment(number: int, segment: Segment, lead: str) -> SegmentAnswer:
    return SegmentAnswer(
        id=number,
        seek=segment.window_ms // 10,
        start=segment.start_ms / 1000,
        end=segment.end_ms / 1000,
        text=lead + segment.text,
        tokens=list(segment.tokens),
        temperature=segment.temperature,
        avg_logprob=segment.avg_logprob,
        compression_ratio=segment.compression_ratio,
        no_speech_prob=segment.no_speech_probability,
    )
