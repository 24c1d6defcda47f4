"""A live session between a client and a model: takes bytes as fast as they can be heard, tells events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from stentor_common.errors import AppError
from stentor_stt.engines import Piece
from stentor_stt.live.events import Event
from stentor_stt.live.incoming import Incoming
from stentor_stt.live.session import LiveSession, Question
from stentor_stt.live.wanted import Wanted
from stentor_stt.sound import Sound

if TYPE_CHECKING:
    from stentor_stt.batching import Hearer
    from stentor_stt.engines import Heard

RETRY_SECONDS = (0.5, 1, 2, 4, 8)
"""Pauses between attempts while the model cannot be reached; the sound waits for it."""

Tell = Callable[[Event], Awaitable[None]]

log = structlog.get_logger()


class LiveStream:
    """One client's speech. `send`, `commit` and `finish` wait while there is too much to hear, so that a
    client that is too fast has to wait as well; nothing it sent is dropped.

    `tell` is called with one event at a time. What it raises ends the stream, and is raised by the method
    that is called next.
    """

    def __init__(
        self,
        hearer: Hearer,
        wanted: Wanted,
        tell: Tell,
        *,
        id: str,
        caller: str,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
    ) -> None:
        self._hearer = hearer
        self._wanted = wanted
        self._tell = tell
        self._id, self._caller = id, caller
        self._retry_seconds = retry_seconds
        self._session = LiveSession(wanted.options, wanted.turns)
        self._incoming = Incoming(wanted.format)
        self._news = asyncio.Event()
        """Something for the model may have come."""
        self._moved = asyncio.Event()
        """The model has answered, or the stream has ended."""
        self._hearing: asyncio.Task[None] | None = None

    @property
    def taken_ms(self) -> int:
        """How much sound came so far."""
        return self._session.taken_ms

    @property
    def uncommitted_ms(self) -> int:
        """How much of it is in no turn that has ended."""
        return self._session.uncommitted_ms

    @asynccontextmanager
    async def running(self) -> AsyncIterator[LiveStream]:
        """Listens within the block; at its end all work stops at once."""
        self._hearing = asyncio.create_task(self._hear_on(), name=f"live {self._id}")
        self._hearing.add_done_callback(lambda _: self._moved.set())
        try:
            yield self
        finally:
            self._hearing.cancel()
            # What ended it before was raised to who called, or the client is gone and nobody cares.
            await asyncio.gather(self._hearing, return_exceptions=True)

    def configure(self, wanted: Wanted) -> None:
        """Hear by these from now on."""
        if wanted.format != self._wanted.format:
            self._incoming = Incoming(wanted.format)
        self._wanted = wanted
        self._session.configure(wanted.options, wanted.turns)

    async def send(self, message: bytes) -> None:
        """Take the next sound. Raises BadInput for half a sample."""
        for sound in self._incoming.take(message):
            await self._take(sound)

    async def commit(self) -> None:
        """End the turn; returns when its text was told."""
        await self._take(self._incoming.rest())
        self._session.commit()
        await self._closed()

    async def finish(self) -> None:
        """End the last turn, if there is one; returns when its text was told. No more sound may come."""
        await self._take(self._incoming.rest())
        self._session.finish()
        await self._closed()

    def clear(self) -> None:
        """Forget the sound of the current turn."""
        self._session.clear()

    async def _take(self, sound: Sound) -> None:
        while len(sound):
            await self._until(lambda: self._session.room > 0)
            room = self._session.room
            self._session.take(sound[:room])
            sound = sound[room:]
            self._news.set()
            # Of a client that is faster than speech the next message is there already.
            await asyncio.sleep(0)

    async def _closed(self) -> None:
        self._news.set()
        await self._until(lambda: not self._session.closing)

    async def _until(self, reached: Callable[[], bool]) -> None:
        assert self._hearing is not None
        while True:
            if self._hearing.done():
                self._hearing.result()
            if reached():
                return
            self._moved.clear()
            await self._moved.wait()

    async def _hear_on(self) -> None:
        await self._prepare()
        while True:
            self._news.clear()
            await self._tell_all(self._session.due())
            question = self._session.question()
            if question is None:
                await self._news.wait()
                continue
            await self._tell_all(await self._answer(question))

    async def _prepare(self) -> None:
        """Have the model loaded while the first words are said. What is wrong with it is told with the first
        sound that it should hear."""
        try:
            await self._hearer.check(self._wanted.model, self._wanted.options)
        except Exception as error:
            log.warning("live sound has no model yet", session=self._id, reason=repr(error))

    async def _tell_all(self, events: list[Event]) -> None:
        for event in events:
            await self._tell(event)
        # Not before: who waits for the end of a turn waits until it was told.
        self._moved.set()

    async def _answer(self, question: Question) -> list[Event]:
        """What follows from hearing the sound."""
        started = asyncio.get_running_loop().time()
        try:
            heard = await self._heard(question)
        except AppError as error:
            return self._session.failed(question, error)
        except Exception:
            log.exception("live sound could not be heard", session=self._id)
            told = f"something went wrong on our side; the log knows it as session {self._id}"
            return self._session.failed(question, AppError(told))
        self._session.pace(asyncio.get_running_loop().time() - started)
        return self._session.answered(question, heard)

    async def _heard(self, question: Question) -> Heard:
        piece = Piece(question.sound, question.options, find_speech=True)
        pauses = iter(self._retry_seconds)
        while True:
            try:
                return await self._hearer.hear(
                    self._wanted.model, piece, job=self._id, caller=self._caller, live=True
                )
            except AppError as error:
                pause = next(pauses, None)
                if pause is None or not error.retryable:
                    raise
                log.warning("live sound waits for a model", session=self._id, reason=error.message)
                await asyncio.sleep(pause)
