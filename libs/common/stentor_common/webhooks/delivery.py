"""Sends the webhooks of jobs that are over: at once in the process that ended the job, and, should that
have failed or died, by the one that sweeps. A claim keeps two from sending the same at a time.
"""

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from stentor_common.db import DatabaseUnavailable
from stentor_common.fetch import Fetcher
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep
from stentor_common.webhooks.attempt import Sender
from stentor_common.webhooks.intake import PORTS
from stentor_common.webhooks.repository import Search, WebhookRepository

AT_ONCE = 16
"""Webhooks that a process sends side by side."""

PER_OWNER = 4
"""Of these, most that belong to one owner."""

BESIDE_SECONDS = 20
"""What an attempt may take beside waiting for the answer: to read the result, to write down what came of it.
One that is silent any longer has died with its process."""

LAST_WORDS_SECONDS = 2
"""How long the end of a process waits for answers."""

log = structlog.get_logger()


class Deliverer:
    """Delivers for the kinds of jobs that a service does, in its words."""

    def __init__(self, runtime: Runtime, service: Service) -> None:
        self._runtime, self._service = runtime, service
        self._sender: Sender | None = None
        self._under_way: dict[asyncio.Task[None], uuid.UUID] = {}

    def sweep(self) -> Sweep:
        """What sees to it that all webhooks go out in the end."""

        async def run(_: Runtime) -> None:
            await self.deliver()

        return Sweep(f"webhooks-{self._service.name}", self._runtime.settings.sweep_seconds, run)

    async def deliver(self, among: Collection[uuid.UUID] | None = None) -> None:
        """Begin to send what is due, of all or of some jobs, as far as there is room."""
        busy = Counter(self._under_way.values())
        search = Search(
            kinds=list(self._service.handlers),
            limit=AT_ONCE - len(self._under_way),
            per_owner=PER_OWNER,
            without=[owner for owner, count in busy.items() if count >= PER_OWNER],
        )
        if search.limit <= 0:
            return
        now = self._runtime.clock.now()
        async with self._runtime.db.reading() as session:
            webhooks = WebhookRepository(session)
            due = await (
                webhooks.due(search, now) if among is None else webhooks.due_among(among, search, now)
            )
        for job_id, owner_id in due:
            task = asyncio.create_task(self._send(job_id), name=f"webhook {job_id}")
            self._under_way[task] = owner_id
            task.add_done_callback(self._under_way.pop)

    async def close(self) -> None:
        """Give what is under way a moment. What is broken off is sent again when its claim ends."""
        tasks = list(self._under_way)
        if tasks:
            await asyncio.wait(tasks, timeout=LAST_WORDS_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._sender:
            await self._sender.fetcher.close()

    async def _send(self, job_id: uuid.UUID) -> None:
        # Without the database the claim ends by itself, and it is sent again.
        with contextlib.suppress(DatabaseUnavailable):
            now, longest = self._runtime.clock.now(), claim_duration(self._runtime.settings)
            async with self._runtime.begin() as work:
                webhook = await WebhookRepository(work.session).claim(job_id, now, longest)
                job = await work.session.get(Job, job_id)
            if webhook is None or job is None:
                return
            ended = await self._ready().attempt(webhook, job)
            async with self._runtime.begin() as work:
                recorded = await WebhookRepository(work.session).record(webhook, ended)
            self._runtime.metrics.webhooks.labels(webhook.style, ended.state).inc()
            log.info(
                "webhook sent",
                job_id=str(job_id),
                style=webhook.style,
                state=ended.state,
                attempt=webhook.tries,
                recorded=recorded,
                **{name: ended.logged[name] for name in ("status_code", "error", "duration_ms")},
            )

    def _ready(self) -> Sender:
        """Made when the first webhook is sent: most processes never do."""
        if self._sender is None:
            fetcher = Fetcher(allowed=self._runtime.settings.webhook_allowed, ports=PORTS)
            self._sender = Sender(self._runtime, fetcher, self._service.callbacks)
        return self._sender


def claim_duration(settings: Settings) -> timedelta:
    """How long an attempt may take."""
    return timedelta(seconds=settings.webhook_seconds + BESIDE_SECONDS)


@asynccontextmanager
async def delivering(runtime: Runtime, deliverers: Sequence[Deliverer]) -> AsyncIterator[None]:
    """While the block lasts, what this process brings to its end is told at once."""
    task = asyncio.create_task(_follow_endings(runtime, deliverers), name="webhooks")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for deliverer in deliverers:
            await deliverer.close()


async def _follow_endings(runtime: Runtime, deliverers: Sequence[Deliverer]) -> None:
    while True:
        ended = await runtime.endings.take()
        for deliverer in deliverers:
            try:
                await deliverer.deliver(ended)
            except Exception:
                # The sweep finds them, in this process or another.
                log.exception("webhooks wait for the sweep")
