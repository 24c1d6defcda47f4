"""Messages on their way from a committed job row to the queue.

The row is the outbox: whatever goes wrong here, the sweeper finds it and sends its message later. So
sending may fail, and never makes a request fail or wait long.
"""

import asyncio
import uuid
from collections.abc import Sequence

import structlog

from stentor_common.clock import Clock
from stentor_common.db import Database
from stentor_common.jobs.upkeep import UpkeepRepository
from stentor_common.queue import Message, Queue, QueueUnavailable

REST_SECONDS = 2
"""After a failure requests do not try the broker for this long, so that they stay quick."""

log = structlog.get_logger()


class Outbox:
    def __init__(self, queue: Queue, db: Database, clock: Clock) -> None:
        self._queue, self._db, self._clock = queue, db, clock
        self._confirmed: list[uuid.UUID] = []
        self._resting_until = 0.0

    async def send(self, messages: Sequence[Message]) -> None:
        """Publish the messages of new jobs as far as the broker takes them."""
        self._confirmed += await self.publish(messages)

    async def publish(self, messages: Sequence[Message]) -> list[uuid.UUID]:
        """The jobs whose messages the broker has taken; it is up to the caller to write that down."""
        loop = asyncio.get_running_loop()
        taken: list[uuid.UUID] = []
        for message in messages:
            if loop.time() < self._resting_until:
                break
            try:
                await self._queue.publish(message)
            except QueueUnavailable as error:
                self._resting_until = loop.time() + REST_SECONDS
                log.warning("jobs wait for the sweeper, the broker takes no messages", reason=error.message)
            else:
                taken.append(message.job_id)
        return taken

    async def note_confirmed(self) -> None:
        """Write down, many at once, which new jobs the broker has, so that they are not sent again."""
        confirmed, self._confirmed = self._confirmed, []
        if confirmed:
            async with self._db.transaction() as session:
                await UpkeepRepository(session).confirmed(confirmed, self._clock.now())
