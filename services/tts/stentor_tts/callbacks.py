"""How the end of a speech is told in our own words: the job with the address of its sound."""

from collections.abc import Mapping
from typing import Any

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.webhooks import STANDARD, CallbackStyle
from stentor_common.webhooks.events import event, link
from stentor_tts.sounds import Times
from stentor_tts.speeches import facts_of
from stentor_tts.views import speech_view

LONG = {"sentences", "words"}


async def _with_link(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    base = runtime.settings.public_url.rstrip("/")
    view = speech_view(job, None, base, Times() if facts_of(job) else None)
    links = {"self": link(runtime, f"/v1/speech/{job.id}")}
    return event("speech", job, {**view.model_dump(mode="json", exclude=LONG), "links": links})


CALLBACKS = {STANDARD: CallbackStyle(_with_link)}
