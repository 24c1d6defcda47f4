"""What AssemblyAI's API answers about a transcript: some seventy keys, all of them always there, most of them
null. Times are whole milliseconds, the length of the recording whole seconds."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from stentor_common.jobs.table import Job, JobState
from stentor_stt.contracts.assemblyai.shape import transcript_fields, word_fields
from stentor_stt.paragraphs import Paragraph, Sentence, paragraphs, sentences
from stentor_stt.plain import plain
from stentor_stt.transcript import Segment, Transcript, Word
from stentor_stt.transcriptions import Transcription

CONTRACT = "assemblyai"

NAMES = """
id audio_url status error text words utterances confidence audio_duration audio_channels language_code
language_codes language_detection language_detection_options language_detection_results language_confidence
language_confidence_threshold punctuate format_text disfluencies dual_channel multichannel webhook_url
webhook_status_code webhook_auth webhook_auth_header_name audio_start_from audio_end_at word_boost boost_param
keyterms_prompt keyterms_prompt_options prompt temperature filter_profanity redact_pii redact_pii_audio
redact_pii_audio_quality redact_pii_audio_options redact_pii_policies redact_pii_sub
redact_pii_return_unredacted speaker_labels speakers_expected speaker_options content_safety
content_safety_confidence content_safety_labels iab_categories iab_categories_result custom_spelling
auto_chapters chapters summarization summary summary_type summary_model auto_highlights
auto_highlights_result sentiment_analysis sentiment_analysis_results entity_detection entities
speech_threshold speech_model speech_models speech_model_used speed_boost throttled custom_topics topics
speech_understanding translated_texts domain remove_audio_tags metadata language_model acoustic_model
"""
KEYS = tuple(NAMES.split())
"""All that a transcript object holds."""

ENUMERATED = ("best", "nano", "slam-1", "universal")
"""Their client takes no other `speech_model` in an answer."""

MARKS = re.compile(r"^\W+|\W+$")


def state(job: Job) -> str:
    words = {JobState.queued: "queued", JobState.running: "processing", JobState.completed: "completed"}
    return words.get(job.state, "error")


def body(job: Job, transcript: Transcript | None, *, told_status: int | None = None) -> dict[str, Any]:
    """The transcript object. `told_status` is what the receiver of its webhook answered."""
    asked = Transcription.of(job.request)
    sent = _sent(asked)
    warnings = asked.notes["warnings"] if asked.contract == CONTRACT else ()
    told = {
        "id": str(job.id),
        "audio_url": asked.audio_url,
        "status": state(job),
        "webhook_url": asked.webhook_url,
        "webhook_status_code": told_status,
        "webhook_auth": "webhook_auth_header_name" in sent,
        "language_model": asked.model,
        "acoustic_model": asked.model,
        "speech_model": sent.get("speech_model") if sent.get("speech_model") in ENUMERATED else None,
        "metadata": {"warnings": [{"message": each} for each in warnings]} if warnings else None,
    }
    found = _found(job, asked, transcript) if transcript else _failed(job)
    return dict.fromkeys(KEYS) | sent | told | found


def refusal(job: Job, transcript: Transcript) -> str | None:
    """Why a transcript is an error by the thresholds that its request set."""
    sent = _sent(Transcription.of(job.request))
    least = sent.get("language_confidence_threshold")
    sure = transcript.language_confidence or 0.0
    if least is not None and sent.get("language_detection") and sure < least:
        return f"the language is certain by {sure:.2f} only, less than language_confidence_threshold {least}"
    least = sent.get("speech_threshold")
    spoken = sum(segment.end_ms - segment.start_ms for segment in transcript.segments)
    part = spoken / transcript.duration_ms if transcript.duration_ms else 0.0
    if least is not None and part < least:
        return f"{part:.2f} of the recording is speech, less than speech_threshold {least}"
    return None


def as_asked(job: Job, transcript: Transcript) -> Transcript:
    """Without punctuation or capitals, where the request wanted none."""
    sent = _sent(Transcription.of(job.request))
    bare, small = sent.get("punctuate") is False, sent.get("format_text") is False
    if not (bare or small):
        return transcript

    def written(text: str) -> str:
        text = MARKS.sub("", text) if bare else text
        return text.lower() if small else text

    def changed(segment: Segment) -> Segment:
        text = " ".join(filter(None, map(written, segment.text.split())))
        words = tuple(replace(word, text=written(word.text)) for word in segment.words)
        return replace(segment, text=text, words=words)

    segments = tuple(map(changed, transcript.segments))
    text = transcript.separator.join(segment.text for segment in segments if segment.text)
    return replace(transcript, text=text, segments=segments)


def sentences_body(job: Job, transcript: Transcript) -> dict[str, Any]:
    found = sentences(transcript.words, separator=transcript.separator)
    return {**_about(job, transcript), "sentences": [_passage(each) for each in found]}


def paragraphs_body(job: Job, transcript: Transcript) -> dict[str, Any]:
    found = paragraphs(transcript.words, separator=transcript.separator)
    return {**_about(job, transcript), "paragraphs": [_passage(each) for each in found]}


def word_search_body(job: Job, transcript: Transcript, wanted: Sequence[str]) -> dict[str, Any]:
    """Where words, or phrases, are said. Case and punctuation do not matter."""
    said = [plain(word.text) for word in transcript.words]
    matches = [match for each in wanted if (match := _match(each, transcript.words, said))]
    return {
        "id": str(job.id),
        "total_count": sum(match["count"] for match in matches),
        "matches": matches,
    }


def listed(job: Job, resource_url: str) -> dict[str, Any]:
    """One line of a list."""
    return {
        "id": str(job.id),
        "resource_url": resource_url,
        "status": state(job),
        "created": _time(job.created_at),
        "completed": _time(job.finished_at) if job.finished_at else None,
        "audio_url": Transcription.of(job.request).audio_url,
        "error": _failed(job).get("error"),
    }


def deleted(job: Job) -> dict[str, Any]:
    """What is answered in place of a transcript that was just deleted; programs know it by these words."""
    gone = {"status": "completed", "text": "Deleted by user.", "audio_url": "http://deleted_by_user"}
    return dict.fromkeys(KEYS) | {"id": str(job.id), **gone}


def _sent(asked: Transcription) -> dict[str, Any]:
    """What the request said; nothing is known of that where it came by another contract."""
    sent: dict[str, Any] = asked.notes["sent"] if asked.contract == CONTRACT else {}
    return sent


def _found(job: Job, asked: Transcription, transcript: Transcript) -> dict[str, Any]:
    if error := refusal(job, transcript):
        return {"status": "error", "error": error}
    sent = _sent(asked)
    fields = transcript_fields(as_asked(job, transcript), asked.options)
    channels = {segment.channel for segment in transcript.segments}
    found_out = asked.options.language is None
    named = sent.get("language_code") or asked.options.language
    return {
        **fields,
        "language_code": transcript.language if found_out else named,
        "language_codes": [transcript.language] if found_out and transcript.language else None,
        "language_confidence": fields["language_confidence"] if found_out else None,
        "audio_channels": len(channels) if asked.options.split_channels else None,
        "speech_model_used": asked.model,
    }


def _failed(job: Job) -> dict[str, Any]:
    if job.state not in (JobState.failed, JobState.cancelled):
        return {}
    return {"error": job.error_message or f"the transcript was {job.state}"}


def _about(job: Job, transcript: Transcript) -> dict[str, Any]:
    return {
        "id": str(job.id),
        "confidence": transcript.confidence or 0.0,
        "audio_duration": round(transcript.duration_ms / 1000),
        "speech_model_used": Transcription.of(job.request).model,
    }


def _passage(passage: Sentence | Paragraph) -> dict[str, Any]:
    each = [word.confidence for word in passage.words]
    words = [word_fields(word) for word in passage.words]
    return {
        "text": passage.text,
        "start": passage.start_ms,
        "end": passage.end_ms,
        "confidence": sum(each) / len(each),
        "words": words,
        "speaker": words[0]["speaker"],
        "channel": words[0]["channel"],
    }


def _match(wanted: str, words: Sequence[Word], said: Sequence[str]) -> dict[str, Any] | None:
    parts = plain(wanted).split()
    places = range(len(said) - len(parts) + 1) if parts else ()
    found = [at for at in places if list(said[at : at + len(parts)]) == parts]
    if not found:
        return None
    times = [[words[at].start_ms, words[at + len(parts) - 1].end_ms] for at in found]
    return {"text": wanted, "count": len(found), "timestamps": times, "indexes": found}


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")
