"""Calls of a loaded model, waiting, running and dropped: in threads, or, where its `predict` is asynchronous,
as tasks of its loop."""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from stentor_deploy.runner import frames, lines
from stentor_deploy.runner.pipeline import InThread, Loop, OnLoop, Pipeline, Way

MOST_PREPARING = 4
"""Calls that may prepare their input, or finish their answer, while others are in `predict`."""


class Channel(Protocol):
    """Where answers go."""

    def send(self, kind: int, call: int, body: bytes = b"") -> None: ...


class Job:
    """One call on its way."""

    def __init__(self, channel: Channel, call: int, kind: int, asked: list[frames.Call]) -> None:
        self.channel, self.id, self.kind, self.asked = channel, call, kind, asked
        self.begun = self.dropped = False
        self.parts_allowed = threading.Semaphore(frames.WINDOW)
        self.task: asyncio.Task[None] | None = None

    @property
    def key(self) -> tuple[int, int]:
        return id(self.channel), self.id

    @property
    def request_id(self) -> str:
        """Of the request that is served alone."""
        return self.asked[0].request_id if len(self.asked) == 1 else ""

    def send(self, kind: int, body: bytes = b"") -> None:
        self.channel.send(kind, self.id, body)


class Calls:
    """Runs what is asked, so many at a time in `predict`, and answers it."""

    def __init__(self, model: Any, pipeline: Pipeline, loop: Loop, concurrency: int) -> None:
        self._pipeline, self._loop, self._concurrency = pipeline, loop, concurrency
        predict = model.predict
        self._asynchronous = inspect.iscoroutinefunction(predict) or inspect.isasyncgenfunction(predict)
        self._in_thread = InThread(loop, concurrency)
        self._on_loop: OnLoop | None = None
        self._waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._jobs: dict[tuple[int, int], Job] = {}
        self._lock = threading.Lock()

    @property
    def in_flight(self) -> int:
        return len(self._jobs)

    def work(self) -> None:
        """Makes this thread one of those that run the model, and starts further ones. Never returns."""
        threads = 1
        if not self._asynchronous:
            staged = min(self._concurrency, MOST_PREPARING) if self._pipeline.staged else 0
            threads = self._concurrency + staged
        for _ in range(threads - 1):
            threading.Thread(target=self._serve, name="predict", daemon=True).start()
        self._serve()

    def ask(self, job: Job) -> None:
        self._jobs[job.key] = job
        self._waiting.put(job)

    def more(self, channel: Channel, call: int, parts: int) -> None:
        job = self._jobs.get((id(channel), call))
        for _ in range(min(parts, frames.WINDOW) if job else 0):
            job.parts_allowed.release()  # type: ignore[union-attr]

    def drop(self, channel: Channel, call: int) -> None:
        """Ends a call that has not begun, is asynchronous, or sends parts; others go on."""
        with self._lock:
            job = self._jobs.get((id(channel), call))
            if job is None:
                return
            job.dropped = True
            waiting = not job.begun
        if waiting:
            self._jobs.pop(job.key, None)
            job.send(frames.DROPPED)
        job.parts_allowed.release()
        if job.task:
            self._loop.get().call_soon_threadsafe(job.task.cancel)

    def drop_all(self, channel: Channel) -> None:
        for owner, call in list(self._jobs):
            if owner == id(channel):
                self.drop(channel, call)

    def _serve(self) -> None:
        while True:
            job = self._waiting.get()
            with self._lock:
                if job.dropped:
                    continue
                job.begun = True
            if self._asynchronous and job.asked[0].method == "predict":
                self._loop.get().call_soon_threadsafe(self._begin_task, job)
            else:
                job.send(*self._in_thread.finish(self._outcome(job, self._in_thread)))

    def _begin_task(self, job: Job) -> None:
        self._on_loop = self._on_loop or OnLoop(self._concurrency)
        job.task = asyncio.ensure_future(self._run_task(job, self._on_loop))
        if job.dropped:
            job.task.cancel()

    async def _run_task(self, job: Job, way: Way) -> None:
        kind, body = await self._outcome(job, way)
        job.send(kind, body)

    async def _outcome(self, job: Job, way: Way) -> tuple[int, bytes]:
        token = lines.request.set(job.request_id)
        try:
            return await self._answered(job, way)
        except asyncio.CancelledError:
            return frames.DROPPED, b""
        except BaseException as error:  # a model may raise anything
            return frames.FAILED, self._pipeline.failed(error)
        finally:
            lines.end_lines()
            lines.request.reset(token)
            self._jobs.pop(job.key, None)

    async def _answered(self, job: Job, way: Way) -> tuple[int, bytes]:
        if job.kind == frames.ASK:
            return frames.ANSWER, await self._pipeline.one(job.asked[0], way)
        if job.kind == frames.ASK_MANY:
            return frames.ANSWERS, await self._pipeline.many(job.asked, way)
        parts = self._pipeline.parts(job.asked[0], way)
        try:
            async for part in parts:
                await way.allowed(job.parts_allowed)
                if job.dropped:
                    return frames.DROPPED, b""
                job.send(frames.PART, part)
        finally:
            await parts.aclose()
        return frames.END, b""


def answer_ping(model: Any, loop: Loop, answer: Callable[[bool], None]) -> None:
    """Asks the model's own `is_healthy`, apart from whoever reads; at once where it has none."""
    check = getattr(model, "is_healthy", None)
    if not callable(check):
        answer(True)
        return

    def ask() -> None:
        try:
            result = check()
            healthy = loop.wait_for(result) if inspect.isawaitable(result) else result
        except Exception:
            healthy = False
        answer(healthy is None or bool(healthy))

    threading.Thread(target=ask, name="health", daemon=True).start()
