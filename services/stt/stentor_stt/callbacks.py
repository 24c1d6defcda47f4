"""How the end of a transcription is told in our own words: the job with links, or with the transcript too."""

from collections.abc import Mapping
from typing import Any

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.webhooks import STANDARD, CallbackStyle
from stentor_common.webhooks.events import event, link
from stentor_stt.transcriptions import transcript_of
from stentor_stt.views import transcription_view

WITH_TRANSCRIPT = "standard-transcript"
"""Style of those who want everything in the message; it may be many megabytes long."""

LONG = {"text", "words", "segments", "utterances"}


async def _with_link(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    return await _event(runtime, job, without=LONG)


async def _with_transcript(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    return await _event(runtime, job, without=set())


async def _event(runtime: Runtime, job: Job, without: set[str]) -> dict[str, Any]:
    view = transcription_view(job, None, await transcript_of(runtime, job))
    links = {"self": link(runtime, f"/v1/transcriptions/{job.id}")}
    return event("transcription", job, {**view.model_dump(mode="json", exclude=without), "links": links})


CALLBACKS = {
    STANDARD: CallbackStyle(_with_link),
    WITH_TRANSCRIPT: CallbackStyle(_with_transcript),
}
