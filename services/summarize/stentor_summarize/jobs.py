"""The job of summaries: bring the text here, have it made shorter, report and tell on the way."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from stentor_common.adapters import Adapter, resolve
from stentor_common.engine_room import EngineRoom
from stentor_common.jobs.run import JobRun, Progress
from stentor_common.jobs.until_stopped import until_stopped
from stentor_common.runtime import Runtime
from stentor_summarize.engines import Engine
from stentor_summarize.lending import lent
from stentor_summarize.parts import Pen
from stentor_summarize.settings import SummarizeSettings
from stentor_summarize.sources import SourceKind, SourceReader
from stentor_summarize.summaries import Found, Summarization
from stentor_summarize.summary import Summary

# Imported by the first job: a process that only serves the API need not have what tells languages apart.
SUMMARIZER = {"summarizer": Adapter("stentor_summarize.summarizing:Summarizer", extra="summarize")}


class SummarizeHandler:
    """Runs jobs of summaries."""

    def __init__(self, settings: SummarizeSettings, room: EngineRoom[Engine]) -> None:
        self._slots = room.slots
        self._turns = {name: asyncio.Lock() for name in room.slots}
        self._reader = SourceReader(settings)
        self.jobs = dict.fromkeys(room.slots, 0)
        """By model, those that run just now."""

    async def __call__(self, runtime: Runtime, run: JobRun) -> dict[str, Any]:
        """The job's result: the summary, and what it was made of."""
        asked = Summarization.of(run.request)
        self.jobs[asked.model] += 1
        try:
            return await until_stopped(run, self._result(runtime, run, asked))
        finally:
            self.jobs[asked.model] -= 1

    async def close(self) -> None:
        await self._reader.close()

    async def _result(self, runtime: Runtime, run: JobRun, asked: Summarization) -> dict[str, Any]:
        run.report(Progress("fetching" if asked.source.kind is SourceKind.url else "reading"))
        text, document = await self._reader.read(runtime, asked.source)
        run.report(Progress("loading"))
        summary = await self._summary(runtime, run, asked, text)
        found = Found(
            summary,
            characters=len(text),
            form=document.form if document else None,
            pages=document.pages if document else None,
        )
        return found.to_json()

    async def _summary(self, runtime: Runtime, run: JobRun, asked: Summarization, text: str) -> Summary:
        async with (
            lent(self._slots[asked.model], self._turns[asked.model]) as engine,
            aclosing(Pen(runtime, run.lease)) as pen,
        ):
            run.report(Progress("summarizing", 0.0))
            summarizer = resolve(SUMMARIZER, "summarizer")(engine, turn=engine)
            found: Summary = await summarizer.summarize(
                text, asked.wanted, report=_reporter(run), tell=pen.tell, check=run.check
            )
        return found


def _reporter(run: JobRun) -> Callable[[int, int], None]:
    """Turns passages into a fraction and an estimate of the time left."""
    started = time.monotonic()

    def report(done: int, passages: int) -> None:
        fraction = done / passages if passages else 0.0
        left = (time.monotonic() - started) * (1 / fraction - 1) if fraction else None
        run.report(Progress("summarizing", fraction, left))

    return report
