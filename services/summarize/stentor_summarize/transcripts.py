"""What was said, as speech to text tells it of a transcription that is completed."""

from stentor_common.auth import Caller
from stentor_common.desk import ask, caller_to_json
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job, JobState
from stentor_common.runtime import Runtime
from stentor_summarize.errors import TranscriptNotReady

SPEECH, TRANSCRIPTION = "stt", "stt.transcribe"
"""The service, and the kind of its jobs that have a transcript."""


async def transcript_job(runtime: Runtime, caller: Caller, job_id: str) -> Job:
    """A transcription of the caller's that is completed. Raises NotFound, TranscriptNotReady."""
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, caller, kind=TRANSCRIPTION)
    if job.active:
        raise TranscriptNotReady(
            f"transcription {job.id} is {job.state}: send this again when it is completed, "
            f"which GET /v1/transcriptions/{job.id}/events tells",
            param="transcript_id",
        )
    if job.state != JobState.completed:
        raise TranscriptNotReady(
            f"transcription {job.id} is {job.state}: it has no text to summarize", param="transcript_id"
        )
    return job


async def transcript_text(runtime: Runtime, caller: Caller, job_id: str) -> str:
    """The text of a transcription, a line for each turn where speakers were told apart.

    Raises NotFound, TranscriptNotReady, and NoAnswer where no speech to text runs.
    """
    job = await transcript_job(runtime, caller, job_id)
    given = {"caller": caller_to_json(caller), "job_id": str(job.id)}
    text: str = (await ask(runtime, SPEECH, "output", **given))["text"]
    return text
