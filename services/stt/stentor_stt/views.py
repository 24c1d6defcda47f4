"""Transcriptions as the native contract shows them."""

from typing import Any

from stentor_common.jobs.schemas import view_fields
from stentor_common.jobs.table import Job
from stentor_stt.schemas import SegmentView, TranscriptionView, UploadView, WordView
from stentor_stt.tables import Upload
from stentor_stt.transcript import Transcript
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
        "words": [
            WordView(text=word.text, start_ms=word.start_ms, end_ms=word.end_ms, confidence=word.confidence)
            for word in transcript.words
        ],
        "segments": [
            SegmentView(
                start_ms=segment.start_ms,
                end_ms=segment.end_ms,
                text=segment.text,
                avg_logprob=segment.avg_logprob,
                no_speech_probability=segment.no_speech_probability,
                compression_ratio=segment.compression_ratio,
            )
            for segment in transcript.segments
        ],
    }
