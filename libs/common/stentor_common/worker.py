"""The consume loop: one message, one lease, one handler, one outcome."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from stentor_common.db import DatabaseUnavailable
from stentor_common.errors import AppError
from stentor_common.jobs.leases import Lease, LeaseRepository, Outcome
from stentor_common.jobs.results import keep
from stentor_common.jobs.run import JobRun, JobStopped, StopReason
from stentor_common.jobs.shares import Shares
from stentor_common.jobs.table import JobState
from stentor_common.queue import Delivery, Message, QueueUnavailable
from stentor_common.runtime import Runtime
from stentor_common.service import Answerer, Handler, Service
from stentor_common.wishes import WishKeeper, slots_of

RECONNECT_SECONDS = 2
AGAIN_SECONDS = 1
"""Between tries to reach a database that does not answer."""

LOOK_AGAIN_SECONDS = 1
"""Between looks whether somebody else waits, while a message is held whose owner has his share."""

LAST_WORDS_SECONDS = 3
"""How long a handler that was told to stop at shutdown may take to notice."""

CRASHED = (
    "the job failed again and again for a reason inside the service; "
    "the operator finds it in the log under job id {}"
)

T = TypeVar("T")

log = structlog.get_logger()


async def run_worker(runtime: Runtime, services: Sequence[Service]) -> None:
    """Take and run jobs until `runtime.stopping` is set, then finish or hand back what is under way."""
    for service in services:
        if service.engines:
            service.engines.at_work = True
        if service.start:
            await service.start(runtime)
    runner = JobRunner(
        runtime,
        {kind: handler for service in services for kind, handler in service.handlers.items()},
        Shares({queue: places for service in services for queue, places in service.queues.items()}),
    )
    consumers = [
        asyncio.create_task(_consume(runtime, runner, queue, slots), name=f"consume {queue}")
        for service in services
        for queue, slots in service.queues.items()
    ]
    helpers = [
        asyncio.create_task(WishKeeper(runtime, slots_of(services)).run(), name="wishes"),
        *(
            asyncio.create_task(_answer(runtime, queue, answerer), name=f"answer {queue}")
            for service in services
            for queue, answerer in service.answerers.items()
        ),
    ]
    stopping = asyncio.create_task(runtime.stopping.wait())
    try:
        # A consumer ends only by a defect, and a worker that no longer consumes must not look alive.
        await asyncio.wait([stopping, *consumers, *helpers], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, *consumers):
            task.cancel()
        ended = await asyncio.gather(*consumers, return_exceptions=True)
        await runner.drain(runtime.settings.shutdown_seconds)
        for task in helpers:
            task.cancel()
        ended += await asyncio.gather(*helpers, return_exceptions=True)
        for service in services:
            if service.close:
                await service.close()
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome


async def _consume(runtime: Runtime, runner: "JobRunner", queue: str, slots: int) -> None:
    while True:
        try:
            async with runtime.queue.consume(queue, slots) as deliveries:
                async for delivery in deliveries:
                    runner.start(delivery)
        except (OSError, QueueUnavailable) as error:
            log.warning("consuming is interrupted", queue=queue, reason=repr(error))
        await asyncio.sleep(RECONNECT_SECONDS)


async def _answer(runtime: Runtime, queue: str, answerer: Answerer) -> None:
    while True:
        try:
            await runtime.questions.answer(queue, answerer.answer, answerer.at_once)
        except QueueUnavailable as error:
            log.warning("answering is interrupted", queue=queue, reason=error.message)
        await asyncio.sleep(RECONNECT_SECONDS)


class JobRunner:
    """A message is the right to run one job of its queue: the one it names, unless its owner has his share
    of the places and somebody else waits."""

    def __init__(self, runtime: Runtime, handlers: Mapping[str, Handler], shares: Shares) -> None:
        self._runtime = runtime
        self._handlers = handlers
        self._shares = shares
        self._taking = asyncio.Lock()
        self._running: dict[asyncio.Task[None], JobRun | None] = {}

    def start(self, delivery: Delivery) -> None:
        """Run the job of a delivery beside the others; the queue's prefetch bounds how many."""
        task = asyncio.create_task(self._deliver(delivery))
        self._running[task] = None
        task.add_done_callback(lambda done: self._running.pop(done, None))

    async def drain(self, seconds: float) -> None:
        """Let running jobs finish that can in this time, hand back the others."""
        long = [run for run in self._running.values() if run and (run.eta_seconds or 0) > seconds]
        await self._hand_back(long)
        if self._running:
            log.info("finishing running jobs", jobs=len(self._running), seconds=seconds)
            await asyncio.wait(self._running, timeout=seconds if len(self._running) > len(long) else 0)
        await self._hand_back([run for run in self._running.values() if run and not run.stopped])
        if self._running:
            await asyncio.wait(self._running, timeout=LAST_WORDS_SECONDS)

    async def _hand_back(self, runs: Sequence[JobRun]) -> None:
        for run in runs:
            run.stop(StopReason.shutdown)
            # Without the database the lease runs out by itself.
            with contextlib.suppress(DatabaseUnavailable):
                async with self._runtime.begin() as work:
                    await LeaseRepository(work.session).hand_back(run.lease, self._runtime.clock.now())
                    work.announce(run.id)
                log.info("job handed back", job_id=str(run.id))

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            lease = await self._lease(delivery.message)
            if lease is None:
                await self._pass_on(delivery)
                return
            structlog.contextvars.bind_contextvars(job_id=str(lease.job_id), request_id=lease.request_id)
            run = JobRun(lease)
            if task := asyncio.current_task():
                self._running[task] = run
            try:
                await self._run(run, delivery)
            finally:
                self._shares.leave(lease)
        except DatabaseUnavailable:
            # The lease runs out and the sweeper gives the job to somebody who reaches the database.
            log.error("a job was left to the sweeper, the database does not answer")
            await delivery.ack()
        except Exception:
            # A defect must not cost the worker a slot. The lease runs out, and the attempt counts.
            log.exception("a delivery failed")
            await delivery.bury()

    async def _pass_on(self, delivery: Delivery) -> None:
        """Done with a message that lets us run nothing; at the end of this process somebody else may have it,
        at once rather than when this process is gone."""
        if self._runtime.stopping.is_set():
            try:
                await self._runtime.queue.publish(delivery.message)
            except QueueUnavailable:
                # Not acknowledged, it is delivered again by itself.
                return
        await delivery.ack()

    async def _lease(self, message: Message) -> Lease | None:
        """The job that the message lets us run, as soon as one may. None: there is none, or this process
        ends."""
        while not self._runtime.stopping.is_set():
            # One after the other: each must know what the one before it took.
            async with self._taking:
                found, held = await self._persist(lambda: self._take(message))
                if found:
                    self._shares.enter(found)
            if not held:
                return found
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._runtime.stopping.wait(), LOOK_AGAIN_SECONDS)
        return None

    async def _take(self, message: Message) -> tuple[Lease | None, bool]:
        """A job, and whether the one that is named waits because its owner has his share."""
        now, duration = self._runtime.clock.now(), timedelta(seconds=self._runtime.settings.lease_seconds)
        full = self._shares.full(message.queue)
        async with self._runtime.begin() as work:
            leases = LeaseRepository(work.session)
            found = await leases.take(message.job_id, now, duration, not_of=full)
            held = found is None and bool(full) and await leases.waits(message.job_id)
            if found is None:
                # Its own job may have been run by another's message.
                other = await leases.waiting(message.queue, not_of=full)
                found = await leases.take(other, now, duration, not_of=full) if other else None
            if found:
                work.announce(found.job_id)
        if found and found.attempt == 1:
            waited = (now - found.created_at).total_seconds()
            self._runtime.metrics.queue_wait.labels(found.kind).observe(waited)
        return found, held and found is None

    async def _run(self, run: JobRun, delivery: Delivery) -> None:
        metrics, started = self._runtime.metrics, time.monotonic()
        with metrics.jobs_running.labels(run.kind).track_inprogress():
            async with self._heartbeat(run):
                outcome = await self._outcome(run)
        metrics.run_time.labels(run.kind).observe(time.monotonic() - started)
        if outcome is None:
            if run.stop_reason is None:
                # The handler saw before us that this process ends.
                await self._hand_back([run])
            if run.stop_reason != StopReason.shutdown:
                await delivery.ack()
        elif outcome.state == JobState.queued:
            await self._retry_or_fail(run, outcome, delivery)
        else:
            await self._persist(lambda: self._finish(run, outcome))
            await delivery.ack()

    async def _outcome(self, run: JobRun) -> Outcome | None:
        """How the handler ended; None when it was told to stop."""
        try:
            result = await self._handlers[run.kind](self._runtime, run)
            inline, key = await keep(self._runtime.store, run.lease.run_name, result)
            return Outcome(JobState.completed, result=inline, result_key=key)
        except JobStopped:
            return None
        except AppError as error:
            state = JobState.queued if error.retryable else JobState.failed
            if error.retryable:
                log.warning("a run failed and may be tried again", reason=error.message)
            return Outcome(state, error_code=error.code, error_message=error.message)
        except Exception:
            log.exception("a run crashed", kind=run.kind, attempt=run.lease.attempt)
            return Outcome(JobState.queued, error_code="internal", error_message=CRASHED.format(run.id))

    async def _retry_or_fail(self, run: JobRun, outcome: Outcome, delivery: Delivery) -> None:
        settings, attempt = self._runtime.settings, run.lease.attempt
        if attempt < settings.max_attempts:
            wait = timedelta(seconds=settings.retry_seconds * 2 ** (attempt - 1))
            await self._persist(lambda: self._retry(run, self._runtime.clock.now() + wait))
            await delivery.ack()
        else:
            failed = replace(outcome, state=JobState.failed)
            await self._persist(lambda: self._finish(run, failed))
            await delivery.bury()

    async def _retry(self, run: JobRun, at: datetime) -> None:
        async with self._runtime.begin() as work:
            await LeaseRepository(work.session).retry(run.lease, at)
            work.announce(run.id)

    async def _finish(self, run: JobRun, outcome: Outcome) -> None:
        async with self._runtime.begin() as work:
            recorded = await LeaseRepository(work.session).finish(
                run.lease, outcome, self._runtime.clock.now()
            )
            work.announce(run.id, ended=True)
        if recorded:
            self._runtime.metrics.jobs_finished.labels(run.kind, outcome.state).inc()
        elif outcome.result_key:
            await self._runtime.store.delete(outcome.result_key)
        log.info("job ended", kind=run.kind, state=outcome.state, recorded=recorded)

    async def _persist(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it in spite of a short absence of the database. Raises DatabaseUnavailable after a long one,
        when the lease has run out anyway."""
        for _ in range(max(1, round(self._runtime.settings.lease_seconds / AGAIN_SECONDS))):
            try:
                return await act()
            except DatabaseUnavailable:
                await asyncio.sleep(AGAIN_SECONDS)
        return await act()

    @contextlib.asynccontextmanager
    async def _heartbeat(self, run: JobRun) -> AsyncIterator[None]:
        beating = asyncio.create_task(self._beat(run))
        try:
            yield
        finally:
            beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beating

    async def _beat(self, run: JobRun) -> None:
        """Keep the lease and write progress; notice that the job was taken away."""
        settings = self._runtime.settings
        while True:
            await asyncio.sleep(settings.heartbeat_seconds)
            progress = run.take_progress()
            until = self._runtime.clock.now() + timedelta(seconds=settings.lease_seconds)
            try:
                async with self._runtime.begin() as work:
                    kept = await LeaseRepository(work.session).renew(
                        run.lease, until, progress.as_columns() if progress else {}
                    )
                    if progress:
                        work.announce(run.id)
            except DatabaseUnavailable:
                log.warning("a heartbeat failed, the database does not answer")
                continue
            if not kept:
                run.stop(StopReason.taken)
                return
