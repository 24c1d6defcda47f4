"""What AI/ML API's speech to text answers about a job: its state and its transcript, each in the words of the
family of models that was asked for."""

import math
from collections.abc import Mapping
from typing import Any

from stentor_common.jobs.table import Job, JobState
from stentor_stt.contracts.aiml.options import Family
from stentor_stt.contracts.assemblyai import answer as assemblyai_answer
from stentor_stt.contracts.deepgram.options import answer
from stentor_stt.transcript import Transcript
from stentor_stt.transcriptions import Transcription

WAITING = {
    Family.deepgram: ("waiting", "active"),
    Family.assembly: ("waiting", "active"),
    Family.openai: ("queued", "generating"),
}
"""What a job is called that waits, and that runs: clients loop only while they read these."""

AUDIO_TOKENS_PER_SECOND = 10
"""As OpenAI counts them."""

Found = tuple[Transcript, dict[str, Any]]


def created(job: Job) -> dict[str, Any]:
    return {"generation_id": str(job.id), "id": str(job.id), "status": state(job)}


def body(job: Job, found: Found | None) -> dict[str, Any]:
    """The job with its result under both names that the documents use."""
    told = result(job, *found) if found else None
    return {**created(job), "result": told, "output": told, "error": _error(job)}


def result(job: Job, transcript: Transcript, made_by: Mapping[str, Any]) -> dict[str, Any]:
    whole = answer(job, transcript, made_by)
    kind = _family(job)
    if kind is Family.deepgram:
        channels = whole["results"]["channels"]
        spoken = [channel["alternatives"][0]["transcript"] for channel in channels]
        return {**whole, "text": "\n".join(spoken)}
    warnings = whole["metadata"].get("warnings")
    told = _openai(transcript) if kind is Family.openai else assemblyai_answer.body(job, transcript)
    return told | ({"metadata": {"warnings": warnings}} if warnings else {})


def state(job: Job) -> str:
    waiting, running = WAITING[_family(job)]
    if job.state == JobState.queued:
        return waiting
    if job.state == JobState.running:
        return running
    return "completed" if job.state == JobState.completed else "error"


def _family(job: Job) -> Family:
    # Jobs of other contracts have no family of this one.
    return Family(Transcription.of(job.request).notes.get("family", Family.deepgram))


def _error(job: Job) -> dict[str, str] | None:
    if job.state not in (JobState.failed, JobState.cancelled):
        return None
    return {
        "name": job.error_code or str(job.state),
        "message": job.error_message or f"the job was {job.state}",
    }


def _openai(transcript: Transcript) -> dict[str, Any]:
    heard = math.ceil(transcript.duration_ms / 1000 * AUDIO_TOKENS_PER_SECOND)
    said = sum(len(segment.tokens) for segment in transcript.segments)
    usage = {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": said,
        "total_tokens": heard + said,
    }
    return {"text": transcript.text, "usage": usage}
