"""Upkeep that runs now and then: in every process, but each task in one of them at a time."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import String, Uuid, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common import uploads
from stentor_common.db import Base, UtcDateTime
from stentor_common.jobs.upkeep import UpkeepRepository
from stentor_common.queue import Message, QueueUnavailable
from stentor_common.runtime import Runtime
from stentor_common.throttle import purge_counters
from stentor_common.webhooks.repository import WebhookRepository

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sweep:
    name: str
    every_seconds: float
    run: Callable[[Runtime], Awaitable[None]]
    stand_down: Callable[[Runtime], None] | None = None
    """Called in the processes that do not do it, each time another one does."""


class SweepLease(Base):
    """Which process does a sweep now. It keeps the right by doing it; when it dies, another takes over."""

    __tablename__ = "sweep_lease"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


def job_sweeps(runtime: Runtime) -> list[Sweep]:
    """The sweeps that every installation needs."""
    return [
        Sweep("jobs", runtime.settings.sweep_seconds, sweep_jobs),
        Sweep("job-counts", 15, count_active, stand_down=forget_counts),
        Sweep("expired-jobs", 60, expire_jobs),
        Sweep("uploads", 60, uploads.sweep),
        Sweep("rate-counters", 300, lambda runtime: purge_counters(runtime.db)),
    ]


async def run_sweeps(runtime: Runtime, sweeps: Iterable[Sweep], process_id: uuid.UUID) -> None:
    """Runs until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_every(runtime.settings.sweep_seconds, runtime.outbox.note_confirmed))
        for sweep in sweeps:
            group.create_task(_every(sweep.every_seconds, _led(runtime, sweep, process_id)))


async def sweep_jobs(runtime: Runtime) -> None:
    """Requeue jobs whose worker was lost, send messages that are missing."""
    now, settings = runtime.clock.now(), runtime.settings
    async with runtime.begin() as work:
        upkeep = UpkeepRepository(work.session)
        lost = await upkeep.fail_lost(now, settings.max_attempts)
        await upkeep.release_lost(now, settings.max_attempts)
        for message in lost:
            work.announce(message.job_id, ended=True)
    for message in lost:
        log.error("a job lost its workers too often", job_id=str(message.job_id), kind=message.kind)
        runtime.metrics.jobs_finished.labels(message.kind, "failed").inc()
        await _bury(runtime, message)
    await _send_due(runtime)


async def expire_jobs(runtime: Runtime) -> None:
    """Forget jobs whose retention ended, and delete their large results."""
    now = runtime.clock.now()
    async with runtime.begin() as work:
        upkeep = UpkeepRepository(work.session)
        keys = await upkeep.expire(now)
        await upkeep.bury_expired(now)
    for key in keys:
        await runtime.store.delete(key)


async def recover(runtime: Runtime) -> None:
    """After a start of the embedded form: whatever was under way begins again."""
    async with runtime.begin() as work:
        await UpkeepRepository(work.session).orphan_all(runtime.clock.now())
        await WebhookRepository(work.session).orphan_all(runtime.clock.now())
    await sweep_jobs(runtime)


async def _send_due(runtime: Runtime) -> None:
    now = runtime.clock.now()
    async with runtime.db.reading() as session:
        due = await UpkeepRepository(session).due(now)
    believed = [message for message, sent in due if sent]
    try:
        lost = await _lost(runtime, believed)
    except QueueUnavailable as error:
        log.warning("messages cannot be sent now", reason=error.message)
        return
    taken = await runtime.outbox.publish([message for message, sent in due if not sent or message in lost])
    there = [message.job_id for message in believed if message not in lost]
    if there or taken:
        async with runtime.begin() as work:
            await UpkeepRepository(work.session).sent([*there, *taken], now)


async def _lost(runtime: Runtime, believed: Sequence[Message]) -> set[Message]:
    """Of the messages that the broker once confirmed, those it may have lost. A long queue is no reason to
    send everything twice: while it holds as many as jobs wait, nothing is missing."""
    short = set()
    for queue in {message.queue for message in believed}:
        async with runtime.db.reading() as session:
            waiting = await UpkeepRepository(session).waiting(queue)
        if waiting > await runtime.queue.depth(queue):
            short.add(queue)
    return {message for message in believed if message.queue in short}


async def count_active(runtime: Runtime) -> None:
    """Tell the metrics how many jobs wait and run, by queue."""
    async with runtime.db.reading() as session:
        counted = await UpkeepRepository(session).active()
    gauge = runtime.metrics.jobs_active
    gauge.clear()
    for queue, state, count in counted:
        gauge.labels(queue, state).set(count)


def forget_counts(runtime: Runtime) -> None:
    """Another process counts now: what this one saw last must not be added to it."""
    runtime.metrics.jobs_active.clear()


async def release(runtime: Runtime, process_id: uuid.UUID) -> None:
    """Let others take over at once what this process was doing."""
    async with runtime.db.transaction() as session:
        await session.execute(delete(SweepLease).where(SweepLease.holder_id == process_id))


async def _bury(runtime: Runtime, message: Message) -> None:
    try:
        await runtime.queue.bury(message)
    except QueueUnavailable as error:
        log.warning("a dead letter was not kept, its job row tells the same", reason=error.message)


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await act()
        except Exception:
            # Upkeep must outlive any failure: a database that is away comes back.
            log.exception("upkeep failed and will be tried again")


def _led(runtime: Runtime, sweep: Sweep, process_id: uuid.UUID) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        if await _leads(runtime, sweep, process_id):
            await sweep.run(runtime)
        elif sweep.stand_down:
            sweep.stand_down(runtime)

    return act


async def _leads(runtime: Runtime, sweep: Sweep, process_id: uuid.UUID) -> bool:
    """Take or keep the right to do this sweep."""
    now = runtime.clock.now()
    until = now + timedelta(seconds=3 * sweep.every_seconds + 5)
    async with runtime.db.transaction() as session:
        taken = await session.execute(
            update(SweepLease)
            .where(
                SweepLease.name == sweep.name,
                or_(SweepLease.holder_id == process_id, SweepLease.until < now),
            )
            .values(holder_id=process_id, until=until)
            .returning(SweepLease.name)
        )
        if taken.scalar() is not None:
            return True
        if await session.scalar(select(SweepLease.name).where(SweepLease.name == sweep.name)):
            return False
        # The first process ever. SQLite understands the same statement.
        await session.execute(
            insert(SweepLease)
            .values(name=sweep.name, holder_id=process_id, until=until)
            .on_conflict_do_nothing()
        )
    return False
