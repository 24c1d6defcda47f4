"""A transcription as server-sent events of the OpenAI audio contract, while it is made."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from stentor_common.errors import AppError
from stentor_common.jobs.answer import ClientGone, Interrupted, completed
from stentor_common.jobs.table import Job
from stentor_common.jobs.watch import follow
from stentor_common.problems import error_body, from_app_error
from stentor_common.runtime import Runtime
from stentor_common.wire import Wire
from stentor_stt.contracts.openai.answer import DetectedLanguage, Usage, languages, spoken, usage
from stentor_stt.contracts.openai.errors import in_openai_words
from stentor_stt.contracts.openai.form import TranscriptionForm
from stentor_stt.pieces import PieceRepository
from stentor_stt.transcript import separator_of
from stentor_stt.transcriptions import transcript_of

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
STILL_THERE = b": still at work\n\n"
"""A comment, which clients pass over: proxies cut connections on which nothing comes."""


Leave = Callable[[], Awaitable[None]]


class DeltaEvent(Wire):
    type: Literal["transcript.text.delta"]
    delta: str


class DoneEvent(Wire):
    type: Literal["transcript.text.done"]
    text: str
    """Exactly the deltas, one after the other."""
    languages: list[DetectedLanguage]
    usage: Usage


class Revised(AppError):
    code = "transcript_revised"

    def __init__(self, job: Job) -> None:
        super().__init__(
            f"the end changed what had been sent of the text; read it at /v1/transcriptions/{job.id}"
        )


async def stream(
    runtime: Runtime,
    request: Request,
    job: Job,
    form: TranscriptionForm,
    leave: Leave,
    *,
    hold_seconds: float,
) -> StreamingResponse:
    """The job's events. `leave` is called when the client goes before the end.

    The answer begins with the first text, or after `hold_seconds`: what goes wrong until then is told by the
    status, as in any other answer. Raises JobFailed, Conflict and ClientGone.
    """
    telling = _Telling(runtime, job, form)
    events = telling.events()
    try:
        first = await _first(events, request, hold_seconds)
    except BaseException:
        await events.aclose()
        if telling.job.active:
            await leave()
        raise
    return _EventStream(telling, first, events, leave)


async def _first(
    events: AsyncGenerator[Wire | None, None], request: Request, hold_seconds: float
) -> Wire | None:
    """The first event; None when there is none in time. Raises ClientGone."""
    begins = asyncio.get_running_loop().time() + hold_seconds
    async for event in events:
        if event is not None or asyncio.get_running_loop().time() >= begins:
            return event
        if await request.is_disconnected():
            raise ClientGone
    return None


@dataclass(slots=True)
class _Telling:
    """What is told of one job, and what has been."""

    runtime: Runtime
    job: Job
    form: TranscriptionForm
    text: str = ""
    pieces: int = 0
    language: str | None = None

    async def events(self) -> AsyncGenerator[Wire | None, None]:
        """What there is to tell, as it comes; None each time there is nothing new.

        Raises JobFailed, Conflict, Revised, Interrupted.
        """
        async for job in follow(self.runtime, self.job.id):
            self.job = job
            if job.active:
                yield await self._news()
        if self.job.active:
            raise Interrupted(self.job)
        for event in await self._end():
            yield event

    async def _news(self) -> DeltaEvent | None:
        """The text of the pieces that were finished since the last time."""
        async with self.runtime.db.reading() as session:
            pieces = await PieceRepository(session).finished(self.job.id, since=self.pieces)
        self.pieces += len(pieces)
        self.language = self.language or next((piece.language for piece in pieces if piece.language), None)
        separator = separator_of(self.language)
        texts = [segment.text for piece in pieces for segment in piece.segments if segment.text]
        lead = separator if self.text else ""
        return self._delta(lead + separator.join(texts)) if texts else None

    async def _end(self) -> list[Wire]:
        found = await transcript_of(self.runtime, completed(self.job))
        assert found is not None, "a completed job has a result"
        transcript, _ = found
        rest = _rest(self.text, transcript.text)
        if rest is None:
            raise Revised(self.job)
        deltas = [self._delta(rest)] if rest else []
        done = DoneEvent(
            type="transcript.text.done",
            text=self.text,
            languages=languages(transcript),
            usage=usage(transcript),
        )
        return [*deltas, *(spoken(transcript) if self.form.diarized else []), done]

    def _delta(self, text: str) -> DeltaEvent:
        self.text += text
        return DeltaEvent(type="transcript.text.delta", delta=text)


def _rest(told: str, whole: str) -> str | None:
    """What comes in the whole after what was told, whatever blanks there are; None if it begins otherwise.

    Whether sentences are parted by a blank depends on the language, which is certain in the end only.
    """
    at = 0
    for letter in "".join(told.split()):
        while whole[at : at + 1].isspace():
            at += 1
        if whole[at : at + 1] != letter:
            return None
        at += 1
    return whole[at:]


class _EventStream(StreamingResponse):
    """Server-sent events, whose source is closed however the answer ends."""

    def __init__(
        self,
        telling: _Telling,
        first: Wire | None,
        events: AsyncGenerator[Wire | None, None],
        leave: Leave,
    ) -> None:
        self._telling, self._events, self._leave = telling, events, leave
        super().__init__(self._lines(first), media_type="text/event-stream", headers=HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            if self._telling.job.active:
                await self._leave()

    async def _lines(self, first: Wire | None) -> AsyncGenerator[bytes, None]:
        yield _line(first)
        try:
            async for event in self._events:
                yield _line(event)
        except AppError as error:
            yield _data(error_body(in_openai_words(from_app_error(error))))
        yield b"data: [DONE]\n\n"


def _line(event: Wire | None) -> bytes:
    return STILL_THERE if event is None else _data(event)


def _data(event: Wire) -> bytes:
    # Plain ASCII: some clients part lines at characters that JSON leaves as they are.
    return f"data: {json.dumps(event.model_dump(mode='json'))}\n\n".encode()
