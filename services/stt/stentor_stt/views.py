"""Transcriptions as the native contract shows them."""

from dataclasses import asdict
from typing import Any

from stentor_common.jobs.schemas import view_fields
from stentor_common.jobs.table import Job
from stentor_common.uploads import Upload
from stentor_stt.schemas import SegmentView, TranscriptionView, UploadView, UtteranceView, WordView
from stentor_stt.transcript import Segment, Transcript, Utterance
from stentor_stt.transcriptions import Transcription

EMPTY: dict[str, Any] = {
    "engine": None,
    "language": None,
    "language_confidence": None,
    "duration_ms": None,
    "confidence": None,
    "text": None,
    "words": None,
    "segments": None,
    "utterances": None,
    "summary": None,
}


def transcription_view(
    job: Job, position: int | None, found: tuple[Transcript, dict[str, Any]] | None
) -> TranscriptionView:
    asked = Transcription.of(job.request)
    return TranscriptionView(
        object="transcription",
        provider=asked.provider,
        model=asked.model,
        task=asked.options.task,
        webhook_url=asked.webhook_url,
        **view_fields(job, position),
        **(_result_fields(*found) if found else EMPTY),
    )


def upload_view(upload: Upload, base: str) -> UploadView:
    return UploadView(
        id=upload.id,
        object="upload",
        url=upload_url(upload, base),
        filename=upload.filename,
        size_bytes=upload.size_bytes or 0,
        sha256=upload.sha256 or "",
        created_at=upload.created_at,
        expires_at=upload.expires_at,
    )


def upload_url(upload: Upload, base: str) -> str:
    return f"{base}/v1/uploads/{upload.id}"


def _result_fields(transcript: Transcript, made_by: dict[str, Any]) -> dict[str, Any]:
    return {
        "engine": made_by["engine"],
        "language": transcript.language,
        "language_confidence": transcript.language_confidence,
        "duration_ms": transcript.duration_ms,
        "confidence": transcript.confidence,
        "text": transcript.text,
        "words": [WordView(**asdict(word)) for word in transcript.words],
        "segments": [_segment_view(segment) for segment in transcript.segments],
        "utterances": [_utterance_view(utterance) for utterance in transcript.utterances()],
        "summary": transcript.summary,
    }


def _segment_view(segment: Segment) -> SegmentView:
    return SegmentView(**{name: getattr(segment, name) for name in SegmentView.model_fields})


def _utterance_view(utterance: Utterance) -> UtteranceView:
    return UtteranceView(**{name: getattr(utterance, name) for name in UtteranceView.model_fields})
