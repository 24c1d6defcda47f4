"""A call's way through a model: its stages, what they give, and how that is told.

It is written once, with `await`. In a thread nothing is ever awaited in earnest, see `InThread`; a model
whose `predict` is asynchronous runs on a loop, see `OnLoop`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import json
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Protocol

from stentor_deploy.runner import frames
from stentor_deploy.runner.encoding import decode, encode, encode_part
from stentor_deploy.runner.joining import join, take_apart
from stentor_deploy.runner.model import failure, methods, takes_request

NO_MORE = object()


class Failed(Exception):
    """An answer that cannot be given; holds what FAILED says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.told = {"code": code, "message": message, "kind": "", "details": ""}


class Loop:
    """An event loop in a thread of its own, made when first needed; a model keeps it for its life."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="loop", daemon=True).start()
            return self._loop

    def wait_for(self, awaitable: Any) -> Any:
        """From a thread that is not the loop's."""

        async def whole() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(whole(), self.get()).result()


class Way(Protocol):
    """How a call waits."""

    async def call(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        """What the method gives, awaited where it is awaitable."""

    async def step(self, awaitable: Any) -> Any: ...

    def turn(self) -> contextlib.AbstractAsyncContextManager[Any]:
        """Held while in `predict`."""

    async def allowed(self, parts: threading.Semaphore) -> None:
        """Returns when a further part may be sent."""


class _Turn:
    """A semaphore of threads, where `async with` is written."""

    def __init__(self, turns: threading.Semaphore) -> None:
        self._turns = turns

    async def __aenter__(self) -> None:
        self._turns.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._turns.release()


class InThread:
    """Waits by keeping the thread: a coroutine that waits only like this never stops midway."""

    def __init__(self, loop: Loop, concurrency: int) -> None:
        self._loop, self._turns = loop, threading.Semaphore(concurrency)

    @staticmethod
    def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        raise RuntimeError("a call in a thread waited for a loop")

    async def call(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        value = method(*arguments)
        return self._loop.wait_for(value) if inspect.isawaitable(value) else value

    async def step(self, awaitable: Any) -> Any:
        return self._loop.wait_for(awaitable)

    def turn(self) -> _Turn:
        return _Turn(self._turns)

    async def allowed(self, parts: threading.Semaphore) -> None:
        parts.acquire()


class OnLoop:
    """Waits as tasks do. Methods that are not asynchronous run in threads."""

    def __init__(self, concurrency: int) -> None:
        self._turns = asyncio.Semaphore(concurrency)

    async def call(self, method: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            value = method(*arguments)
        else:
            context = contextvars.copy_context()
            value = await asyncio.get_running_loop().run_in_executor(None, context.run, method, *arguments)
        return await value if inspect.isawaitable(value) else value

    async def step(self, awaitable: Any) -> Any:
        return await awaitable

    def turn(self) -> contextlib.AbstractAsyncContextManager[Any]:
        return self._turns

    async def allowed(self, parts: threading.Semaphore) -> None:
        if not parts.acquire(blocking=False):
            await asyncio.get_running_loop().run_in_executor(None, parts.acquire)


class Pipeline:
    """preprocess → predict → postprocess of one model."""

    def __init__(self, model: Any, *, root: str, answer_bytes: int) -> None:
        self._root, self._most = root, answer_bytes
        public = {"predict", *methods(model)}
        stages = [name for name in ("preprocess", "postprocess") if callable(getattr(model, name, None))]
        self._methods = {name: getattr(model, name) for name in (*public, *stages)}
        self._takes = {name: takes_request(method, name) for name, method in self._methods.items()}
        self._public = public
        self.staged = bool(stages)

    async def one(self, asked: frames.Call, way: Way) -> bytes:
        """A packed payload. Raises whatever the model raises, and Failed."""
        return self._packed(await self._answer(asked.method, self._input(asked), asked.request_id, way))

    async def many(self, asked: list[frames.Call], way: Way) -> bytes:
        """Packed outcomes, of one call where inputs can be joined and the answer taken apart."""
        joined = join(asked)
        if joined is not None:
            with contextlib.suppress(Exception):
                # Where it fails each is asked by itself, and tells its own error.
                answer = await self._answer("predict", joined.inputs, "", way)
                answers = take_apart(answer, joined.lengths)
                if answers is not None:
                    return frames.pack_outcomes([(True, self._packed(each)) for each in answers])
        return frames.pack_outcomes([await self._outcome(each, way) for each in asked])

    async def parts(self, asked: frames.Call, way: Way) -> AsyncGenerator[bytes, None]:
        """Packed parts; a single one where the method is no generator."""
        value = await self._stage("preprocess", asked, self._input(asked), way)
        async with way.turn():
            value = await self._call(asked.method, value, asked.request_id, way)
            if _generates(value):
                given = _each(value, way)
                try:
                    async for part in given:
                        yield self._packed(part, stream=True)
                finally:
                    await given.aclose()
                return
        yield self._packed(await self._stage("postprocess", asked, value, way), stream=True)

    def failed(self, error: BaseException) -> bytes:
        """The body of FAILED."""
        if isinstance(error, Failed):
            return json.dumps(error.told).encode()
        return json.dumps({"code": "model_error", **failure(error, self._root)}).encode(errors="replace")

    async def _outcome(self, asked: frames.Call, way: Way) -> tuple[bool, bytes]:
        try:
            return True, await self.one(asked, way)
        except Exception as error:
            return False, self.failed(error)

    async def _answer(self, method: str, value: Any, request_id: str, way: Way) -> Any:
        asked = frames.Call(frames.JSON, method, request_id, b"")
        value = await self._stage("preprocess", asked, value, way)
        async with way.turn():
            value = await self._call(method, value, request_id, way)
            if _generates(value):
                return _gathered([part async for part in _each(value, way)])
        return await self._stage("postprocess", asked, value, way)

    async def _stage(self, name: str, asked: frames.Call, value: Any, way: Way) -> Any:
        if asked.method != "predict" or name not in self._methods:
            return value
        return await self._call(name, value, asked.request_id, way)

    async def _call(self, name: str, value: Any, request_id: str, way: Way) -> Any:
        try:
            method, takes = self._methods[name], self._takes[name]
        except KeyError:
            names = ", ".join(sorted(self._public))
            raise Failed("unknown_method", f"the model has no method {name!r}; it has {names}") from None
        return await way.call(method, (value, {"request_id": request_id})[:takes])

    def _input(self, asked: frames.Call) -> Any:
        try:
            return decode(asked.kind, asked.body)
        except ValueError as error:
            raise Failed("bad_input", f"the input is not what it is said to be: {error}") from error

    def _packed(self, value: Any, *, stream: bool = False) -> bytes:
        body = frames.pack_payload(encode_part(value) if stream else encode(value))
        if len(body) > self._most:
            raise Failed(
                "answer_too_large", f"the answer has {len(body)} bytes; the limit is {self._most} bytes"
            )
        return body


def _generates(value: Any) -> bool:
    return hasattr(value, "__anext__") or inspect.isgenerator(value)


async def _each(value: Any, way: Way) -> AsyncGenerator[Any, None]:
    """What a generator of either kind gives; it is closed with this one."""
    try:
        while True:
            if hasattr(value, "__anext__"):
                try:
                    part = await way.step(value.__anext__())
                except StopAsyncIteration:
                    return
            else:
                part = await way.call(next, (value, NO_MORE))
                if part is NO_MORE:
                    return
            yield part
    finally:
        if hasattr(value, "aclose"):
            await way.step(value.aclose())
        elif hasattr(value, "close"):
            value.close()


def _gathered(parts: list[Any]) -> Any:
    """A generator's parts, for a caller that does not stream: text and bytes joined, else a list."""
    for kind in (str, bytes):
        if parts and all(isinstance(part, kind) for part in parts):
            return kind().join(parts)
    return parts
