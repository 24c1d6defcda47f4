"""What a running process holds open. Built once at the edge, passed inwards."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.adapters import resolve
from stentor_common.clock import Clock, SystemClock
from stentor_common.db import Database
from stentor_common.folder_lock import locked_folder
from stentor_common.metrics import Metrics, open_metrics
from stentor_common.outbox import Outbox
from stentor_common.queue import QUEUES, Broker, Message, Questions, Queue
from stentor_common.sealing import Sealer
from stentor_common.settings import Settings
from stentor_common.signals import SIGNALS, Change, Signals
from stentor_common.signals.memory import MemorySignals
from stentor_common.store import STORES, Store
from stentor_common.throttle import Throttle, open_throttle
from stentor_common.webhooks.endings import Endings


@dataclass(frozen=True, slots=True)
class Work:
    """One transaction, and what others are told if it commits."""

    session: AsyncSession
    outgoing: list[Message] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)

    def enqueue(self, message: Message) -> None:
        """Send a message once the transaction is committed."""
        self.outgoing.append(message)

    def announce(self, job_id: uuid.UUID, *, ended: bool = False) -> None:
        """Wake those who wait for this job once the transaction is committed."""
        self.changed.append(Change(job_id, ended))


@dataclass(frozen=True, slots=True)
class Runtime:
    settings: Settings
    db: Database
    queue: Queue
    questions: Questions
    store: Store
    signals: Signals
    throttle: Throttle
    outbox: Outbox
    metrics: Metrics
    clock: Clock
    sealer: Sealer
    endings: Endings
    stopping: asyncio.Event
    """Set when the process is asked to end: long answers and waits finish early."""
    process_id: uuid.UUID = field(default_factory=uuid.uuid4)
    """Who this is, in what it reports and in the sweeps it does."""

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Work]:
        """One transaction. Messages and signals leave after the commit, or not at all."""
        async with self.db.transaction() as session:
            work = Work(session)
            yield work
        if work.changed:
            self.signals.announce(work.changed)
            self.endings.note([change.job_id for change in work.changed if change.ended])
        if work.outgoing:
            await self.outbox.send(work.outgoing)


@asynccontextmanager
async def open_runtime(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Runtime]:
    """Open what the settings name, close it in reverse order.

    Raises what the adapters raise when a server does not answer, SecretKeyUnusable, and FolderInUse when
    another embedded process works on the same data.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        if settings.embedded:
            stack.enter_context(locked_folder(settings.data_dir))
        db = Database(settings.resolved_database_url, pool=settings.database_pool)
        stack.push_async_callback(db.close)
        queue: Broker = await resolve(QUEUES, _scheme(settings.queue_url)).open(settings.queue_url)
        stack.push_async_callback(queue.close)
        store_url = settings.resolved_store_url
        store: Store = await resolve(STORES, _scheme(store_url)).open(store_url)
        signals = _open_signals(settings, db)
        stack.push_async_callback(signals.close)
        outbox = Outbox(queue, db, clock)
        stack.push_async_callback(outbox.note_confirmed)
        yield Runtime(
            settings=settings,
            db=db,
            queue=queue,
            questions=queue,
            store=store,
            signals=signals,
            throttle=open_throttle(settings, db),
            outbox=outbox,
            metrics=open_metrics(),
            clock=clock,
            sealer=Sealer(settings),
            endings=Endings(),
            stopping=asyncio.Event(),
        )


def _scheme(url: str) -> str:
    return url.partition(":")[0]


def _open_signals(settings: Settings, db: Database) -> Signals:
    if db.sqlite:
        return MemorySignals()
    signals: Signals = resolve(SIGNALS, "postgresql")(settings.resolved_database_url)
    return signals
