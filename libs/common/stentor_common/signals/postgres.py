"""Signals through LISTEN and NOTIFY: one connection a process, beside the pool."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager

import asyncpg
import structlog
from sqlalchemy import make_url

from stentor_common.signals import Change, Subscription
from stentor_common.signals.memory import MemorySignals

CHANNEL = "stentor_job"
RECONNECT_SECONDS = 1

log = structlog.get_logger()


class PostgresSignals:
    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._local = MemorySignals()
        self._pending: set[Change] = set()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._keep_running(), name="signals")

    def announce(self, changes: Iterable[Change]) -> None:
        self._pending.update(changes)
        if self._pending:
            self._wake.set()

    def subscribe(self, job_id: uuid.UUID, *, only_end: bool = False) -> AbstractContextManager[Subscription]:
        return self._local.subscribe(job_id, only_end=only_end)

    def wake(self) -> None:
        self._local.wake()

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
                payloads, self._pending = [_payload(change) for change in self._pending], set()
                if payloads:
                    await connection.execute(
                        "SELECT pg_notify($1, said) FROM unnest($2::text[]) AS said", CHANNEL, payloads
                    )
        finally:
            await connection.close(timeout=RECONNECT_SECONDS)

    def _heard(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        job_id, _, ended = str(payload).partition(" ")
        self._local.announce([Change(uuid.UUID(job_id), ended=bool(ended))])


def _payload(change: Change) -> str:
    return f"{change.job_id} ended" if change.ended else str(change.job_id)
