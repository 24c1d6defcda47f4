"""How the end of a summary is told in our own words: the job with its summary, and where to read it."""

from collections.abc import Mapping
from typing import Any

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.webhooks import STANDARD, CallbackStyle
from stentor_common.webhooks.events import event, link
from stentor_summarize.summaries import summary_of
from stentor_summarize.views import summary_view


async def _told(runtime: Runtime, job: Job) -> Mapping[str, Any]:
    view = summary_view(job, None, await summary_of(runtime, job))
    links = {"self": link(runtime, f"/v1/summaries/{job.id}")}
    return event("summary", job, {**view.model_dump(mode="json"), "links": links})


CALLBACKS = {STANDARD: CallbackStyle(_told)}
