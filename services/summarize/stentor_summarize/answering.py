"""What this service answers to others: a summary as a step of something longer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from stentor_common.desk import DeskAnswer, caller_of
from stentor_common.jobs.repository import JobRepository
from stentor_common.runtime import Runtime
from stentor_common.steps import requested, trace_in
from stentor_summarize.contracts import slashml
from stentor_summarize.intake import asked_of
from stentor_summarize.schemas import SummaryRequest
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.summaries import KIND, Asked, check, create, summary_of


def desk(settings: SummarizeSettings) -> dict[str, DeskAnswer]:
    """By question, see `stentor_common.steps` and `stentor_common.slashml`."""

    async def try_out(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        await check(runtime, settings, caller_of(given["caller"]), _asked(given))
        return {}

    async def make(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
        caller, trace = caller_of(given["caller"]), trace_in(given["asked"])
        job, _ = await create(runtime, settings, caller, _asked(given), trace)
        return {"job_id": str(job.id)}

    return {"check": try_out, "create": make, "output": _output, **slashml.DESK}


def _asked(given: Mapping[str, Any]) -> Asked:
    asked = asked_of(requested(SummaryRequest, given["asked"]))
    return replace(asked, contract=given["asked"].get("contract", asked.contract))


async def _output(runtime: Runtime, given: Mapping[str, Any]) -> Mapping[str, Any]:
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(given["job_id"], caller_of(given["caller"]), kind=KIND)
    found = await summary_of(runtime, job)
    return {"text": found.summary.text if found else ""}
