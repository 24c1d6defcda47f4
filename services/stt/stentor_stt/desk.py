"""What speech to text answers to other services: a transcription as a step of something longer."""

from collections.abc import Mapping
from typing import Any

from stentor_common.desk import DeskAnswer, caller_of
from stentor_common.jobs.repository import JobRepository
from stentor_common.runtime import Runtime
from stentor_common.steps import requested, trace_in
from stentor_stt.intake import asked_of
from stentor_stt.paragraphs import turns
from stentor_stt.schemas import TranscriptionRequest
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import KIND, create, transcript_of, wanted_of


def answers(settings: SttSettings) -> dict[str, DeskAnswer]:
    """By question, see `stentor_common.steps`."""

    async def check(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = asked_of(requested(TranscriptionRequest, given["asked"]))
        await wanted_of(runtime, settings, caller_of(given["caller"]), asked)
        return {}

    async def make(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = asked_of(requested(TranscriptionRequest, given["asked"]))
        caller, trace = caller_of(given["caller"]), trace_in(given["asked"])
        job, _ = await create(runtime, settings, caller, asked, trace)
        return {"job_id": str(job.id)}

    return {"check": check, "create": make, "output": _output}


async def _output(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(given["job_id"], caller_of(given["caller"]), kind=KIND)
    found = await transcript_of(runtime, job)
    return {"text": turns(found[0]) if found else ""}
