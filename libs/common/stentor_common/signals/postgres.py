"""Signals through LISTEN and NOTIFY: one connection a process, beside the pool."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager

import asyncpg
import structlog
from sqlalchemy import make_url

from stentor_common.signals import Subscription
from stentor_common.signals.memory import MemorySignals

CHANNEL = "stentor_job"
RECONNECT_SECONDS = 1

log = structlog.get_logger()


class PostgresSignals:
    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._local = MemorySignals()
        self._pending: set[uuid.UUID] = set()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._keep_running(), name="signals")

    def announce(self, job_ids: Iterable[uuid.UUID]) -> None:
        self._pending.update(job_ids)
        if self._pending:
            self._wake.set()

    def subscribe(self, job_id: uuid.UUID) -> AbstractContextManager[Subscription]:
        return self._local.subscribe(job_id)

    async def close(self) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _keep_running(self) -> None:
        while True:
            try:
                await self._run()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("job signals are interrupted, waiters look for themselves", reason=repr(error))
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _run(self) -> None:
        connection = await asyncpg.connect(self._url)
        try:
            connection.add_termination_listener(lambda _: self._wake.set())
            await connection.add_listener(CHANNEL, self._heard)
            while not connection.is_closed():
                await self._wake.wait()
                self._wake.clear()
                # All that gathered meanwhile goes in one statement: a busy worker costs one round trip.
                jobs, self._pending = list(self._pending), set()
                if jobs:
                    await connection.execute(
                        "SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id",
                        CHANNEL,
                        list(map(str, jobs)),
                    )
        finally:
            await connection.close(timeout=RECONNECT_SECONDS)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        self._local.announce([uuid.UUID(str(payload))])
