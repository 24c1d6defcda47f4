"""A summary as server-sent events, while it is made."""

from collections.abc import AsyncGenerator, Awaitable, Callable

from fastapi.responses import StreamingResponse
from fastapi.sse import ServerSentEvent, format_sse_event
from starlette.types import Receive, Scope, Send

from stentor_common.jobs.repository import JobRepository
from stentor_common.jobs.schemas import JobProgress
from stentor_common.jobs.table import Job, JobState
from stentor_common.jobs.watch import follow
from stentor_common.runtime import Runtime
from stentor_common.wire import Wire
from stentor_summarize.parts import PartRepository, Place
from stentor_summarize.schemas import DeltaView, ResetView
from stentor_summarize.summaries import summary_of
from stentor_summarize.views import summary_view

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
STILL_THERE = format_sse_event(comment="still at work")
"""A comment, which clients pass over: proxies cut connections on which nothing comes."""

Leave = Callable[[], Awaitable[None]]


class Telling:
    """What is told of one job, and what has been.

    `progress` when something changed; `delta` with text as it is written, `reset` when what was told of it is
    void; at the end `completed`, `failed` or `cancelled` with the whole job. The deltas since the last reset
    are the beginning of the summary, and at the end all of it.
    """

    def __init__(self, runtime: Runtime, job: Job) -> None:
        self._runtime = runtime
        self.job = job
        self._text = ""
        self._place = Place()
        self._shown: tuple[JobState, JobProgress | None] | None = None

    async def events(self) -> AsyncGenerator[ServerSentEvent | None, None]:
        """What there is to tell, as it comes; None each time there is nothing new."""
        async for job in follow(self._runtime, self.job.id):
            self.job = job
            news = await (self._on_the_way() if job.active else self._end())
            for event in news:
                yield event
            if not news:
                yield None

    async def _on_the_way(self) -> list[ServerSentEvent]:
        async with self._runtime.db.reading() as session:
            position = await JobRepository(session).position(self.job)
            parts = await PartRepository(session).after(self.job.id, self._place)
        news: list[ServerSentEvent] = []
        view = summary_view(self.job, position, None)
        if (view.status, view.progress) != self._shown:
            self._shown = view.status, view.progress
            news.append(_event("progress", view))
        for part in parts:
            more = part.place.draft == self._place.draft
            news += self._written(self._text + part.text if more else part.text)
            self._place = part.place
        return news

    async def _end(self) -> list[ServerSentEvent]:
        found = await summary_of(self._runtime, self.job)
        rest = self._written(found.summary.text) if found else []
        return [*rest, _event(self.job.state, summary_view(self.job, None, found))]

    def _written(self, text: str) -> list[ServerSentEvent]:
        told, self._text = self._text, text
        if text.startswith(told):
            return [_event("delta", DeltaView(text=text[len(told) :]))] if text != told else []
        again = [_event("delta", DeltaView(text=text))] if text else []
        return [_event("reset", ResetView(reason="rewritten")), *again]


class EventStream(StreamingResponse):
    """The telling as an answer. `leave` is called when the client goes before the end."""

    def __init__(self, telling: Telling, leave: Leave, headers: dict[str, str]) -> None:
        self._telling, self._leave = telling, leave
        self._events = telling.events()
        super().__init__(self._lines(), media_type="text/event-stream", headers=HEADERS | headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            if self._telling.job.active:
                await self._leave()

    async def _lines(self) -> AsyncGenerator[bytes, None]:
        async for event in self._events:
            yield _line(event)


def _event(name: str, view: Wire) -> ServerSentEvent:
    return ServerSentEvent(event=name, data=view)


def _line(event: ServerSentEvent | None) -> bytes:
    if event is None:
        return STILL_THERE
    return format_sse_event(event=event.event, data_str=event.data.model_dump_json())
