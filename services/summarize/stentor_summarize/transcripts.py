"""What was said, as the text of a transcription that is over: speakers by name, where they were told apart."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from stentor_common.auth import Caller
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.results import result_of
from stentor_common.jobs.table import JobState
from stentor_common.runtime import Runtime
from stentor_summarize.errors import NothingToSummarize, TranscriptNotReady

TRANSCRIPTION = "stt.transcribe"
"""The kind of job whose result this knows how to read."""

LETTERS = 1
"""Speakers without a name are told apart by a letter."""


async def transcript_text(runtime: Runtime, caller: Caller, job_id: str) -> str:
    """The transcript's text, a paragraph for each turn of a speaker.

    Raises NotFound, TranscriptNotReady, NothingToSummarize.
    """
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=TRANSCRIPTION)
    if job.active:
        raise TranscriptNotReady(
            f"transcription {job.id} is {job.state}: send this again when it is completed, "
            f"as GET /v1/transcriptions/{job.id}/events tells"
        )
    result = await result_of(runtime.store, job) if job.state == JobState.completed else None
    if result is None:
        raise TranscriptNotReady(f"transcription {job.id} is {job.state}: it has no text to summarize")
    text = _by_speakers(result["transcript"]["segments"]) or result["transcript"]["text"]
    if not text.strip():
        raise NothingToSummarize
    return str(text)


def _by_speakers(segments: Sequence[dict[str, Any]]) -> str:
    """The turns, each a line that begins with who speaks; empty where that is not known."""
    if not any(each.get("speaker") for each in segments):
        return ""
    turns = groupby(segments, key=lambda each: each.get("speaker"))
    return "\n".join(f"{_named(who)}: {' '.join(each['text'] for each in said)}" for who, said in turns)


def _named(speaker: str | None) -> str:
    if speaker is None:
        return "Somebody"
    return f"Speaker {speaker}" if len(speaker) <= LETTERS else speaker
