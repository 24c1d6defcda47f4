"""What text to speech answers to other services: a speech as a step of something longer; and to those who ask
later for what they could have waited for."""

from collections.abc import Mapping
from typing import Any

from stentor_common.desk import DeskAnswer, caller_of
from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.slashml import desk as slashml_desk
from stentor_common.steps import requested, trace_in
from stentor_common.webhooks.events import link
from stentor_tts.contracts.slashml import job_body
from stentor_tts.intake import asked_of
from stentor_tts.schemas import SpeechRequest
from stentor_tts.speeches import KIND, Repertoire, accepted, create, facts_of
from stentor_tts.views import audio_path


def answers(repertoire: Repertoire) -> dict[str, DeskAnswer]:
    """By question, see `stentor_common.steps`."""

    async def check(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        await accepted(runtime, repertoire, asked_of(requested(SpeechRequest, given["asked"])))
        return {}

    async def make(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = asked_of(requested(SpeechRequest, given["asked"]))
        caller, trace = caller_of(given["caller"]), trace_in(given["asked"])
        job, _ = await create(runtime, repertoire, caller, asked, trace)
        return {"job_id": str(job.id)}

    return {"check": check, "create": make, "output": _output, **slashml_desk({KIND: job_body})}


async def _output(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(given["job_id"], caller_of(given["caller"]), kind=KIND)
    return {"audio_path": audio_path(job)}


async def whole(runtime: Runtime, job: Job) -> dict[str, Any]:
    """The answer about a completed speech."""
    facts = facts_of(job)
    assert facts, "a completed job has a result"
    return {
        "audio_url": link(runtime, audio_path(job)),
        "duration_ms": facts.duration_ms,
        "format": facts.format,
    }


LATER = {KIND: whole}
"""What /v1/responses tells about speeches."""
