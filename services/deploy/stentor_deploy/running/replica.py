"""A replica over a connection: what the process driver and the one for clusters have in common."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from stentor_common.errors import AppError, BadInput
from stentor_deploy.errors import AnswerTooLarge, LoadFailed, ModelFailed, ModelLost, ModelTooSlow
from stentor_deploy.runner import frames
from stentor_deploy.running import Isolation, Loaded, Outcome, Payload, PayloadKind
from stentor_deploy.running.connection import LOST, Connection, ConnectionLost, Parts, read_json

DROP_SECONDS = 1.0
"""So long a call past its time may take to be dropped, before its process is ended."""

PING_SECONDS = 5.0

KINDS = [PayloadKind(name) for name in frames.KINDS]
NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
PARTS_AT_ONCE = frames.WINDOW // 2

Read = TypeVar("Read")
End = Callable[[str], Awaitable[None]]
"""Ends the process, with the reason, for its callers and the log."""


class ConnectedReplica:
    """Replica, see the port."""

    def __init__(self, name: str, loaded: Loaded, connection: Connection, end: End) -> None:
        self.id, self.loaded, self.in_flight = name, loaded, 0
        self._connection, self._end = connection, end
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._requests: dict[int, str] = {}
        self.lost: Callable[[], Awaitable[str]] = connection.reason
        """Says why, once the connection is lost."""

    async def predict(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> Payload:
        kind, body = await self._ask(frames.ASK, pack(asked, method, request_id), seconds, request_id)
        if kind == frames.ANSWER:
            return await self._read(unpack, body)
        raise await self._error(kind, body)

    async def predict_batch(
        self, asked: Sequence[Payload], *, seconds: float, request_ids: Sequence[str] = ()
    ) -> list[Outcome]:
        names = [*request_ids, *[""] * (len(asked) - len(request_ids))]
        calls = [pack(each, "predict", name) for each, name in zip(asked, names, strict=True)]
        kind, body = await self._ask(frames.ASK_MANY, frames.pack_many(calls), seconds)
        if kind != frames.ANSWERS:
            raise await self._error(kind, body)

        def outcomes(body: bytes) -> list[Outcome]:
            found: list[Outcome] = [
                unpack(each) if ok else _failure(each) for ok, each in frames.unpack_outcomes(body)
            ]
            if len(found) != len(asked):
                raise ValueError("another number of outcomes than of inputs")
            return found

        return await self._read(outcomes, body)

    async def stream(
        self, asked: Payload, *, seconds: float, request_id: str = "", method: str = "predict"
    ) -> AsyncGenerator[Payload, None]:
        parts = Parts()
        call = await self._begin(frames.STREAM, pack(asked, method, request_id), parts)
        self._enter(call, request_id)
        taken, ended = 0, False
        try:
            while True:
                kind, body = await self._next(parts, call, seconds)
                if kind != frames.PART:
                    ended = True
                if kind == frames.END:
                    return
                if ended:
                    raise await self._error(kind, body)
                taken += 1
                if taken % PARTS_AT_ONCE == 0:
                    parts.allowed += PARTS_AT_ONCE
                    with contextlib.suppress(ConnectionLost):
                        self._connection.send(frames.MORE, call, frames.COUNT.pack(PARTS_AT_ONCE))
                yield await self._read(unpack, body)
        finally:
            self._exit(call)
            if not ended:
                self._leave_stream(call, parts, seconds)

    async def healthy(self) -> bool:
        try:
            async with asyncio.timeout(PING_SECONDS):
                kind, body = await self._connection.ask(frames.PING, b"")
            return kind == frames.PONG and read_json(body).get("healthy") is True
        except TimeoutError:
            # Code that keeps the interpreter to itself while it computes; the call's own time ends it.
            return self.in_flight > 0
        except (ConnectionLost, ValueError):
            return False

    @property
    def alone(self) -> str:
        """The request that is served now, if it is only one."""
        return next(iter(self._requests.values())) if len(self._requests) == 1 else ""

    async def idle(self, seconds: float) -> bool:
        """Whether it has no calls, after so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        return not self.in_flight

    def _enter(self, call: int, request_id: str) -> None:
        self._requests[call] = request_id
        self.in_flight += 1
        self._quiet.clear()

    def _exit(self, call: int) -> None:
        del self._requests[call]
        self.in_flight -= 1
        if not self.in_flight:
            self._quiet.set()

    async def _begin(self, kind: int, body: bytes, waiting: Any) -> int:
        try:
            return self._connection.begin(kind, body, waiting)
        except ConnectionLost as error:
            raise await self._gone() from error

    async def _gone(self) -> ModelLost:
        return ModelLost(f"the model cannot answer: {await self.lost()}; try again")

    async def _ask(self, kind: int, body: bytes, seconds: float, request_id: str = "") -> tuple[int, bytes]:
        """The frame that answers. Whoever gives up early leaves a call that still ends in time."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        call = await self._begin(kind, body, answer)
        self._enter(call, request_id)
        # A timer of its own is cheaper than a task or a timeout around the wait.
        timer = loop.call_later(seconds, self._too_late, answer)
        try:
            return await answer
        except ConnectionLost as error:
            raise await self._gone() from error
        except TimeoutError:
            raise await self._too_slow(call, seconds) from None
        except asyncio.CancelledError:
            self._leave(call, timer.when() - loop.time())
            raise
        finally:
            timer.cancel()
            self._exit(call)

    @staticmethod
    def _too_late(answer: asyncio.Future[Any]) -> None:
        if not answer.done():
            answer.set_exception(TimeoutError())

    async def _too_slow(self, call: int, seconds: float) -> ModelTooSlow:
        """Drops the call, or ends the process where it does not let go of it."""
        if not await self._dropped(call, DROP_SECONDS):
            await self._end(f"a call took longer than {seconds:g} s and could not be ended otherwise")
        return ModelTooSlow(f"the model gave no answer within {seconds:g} s")

    async def _dropped(self, call: int, seconds: float) -> bool:
        if not self._connection.waits_for(call):
            return True
        parts = Parts()
        parts.allowed = 1 << 30
        self._connection.replace(call, parts)
        try:
            self._connection.send(frames.DROP, call)
            async with asyncio.timeout(seconds):
                while True:
                    await parts.wait()
                    kind, _ = parts.came.popleft()
                    if kind != frames.PART:
                        return True
        except ConnectionLost:
            return True
        except TimeoutError:
            return False
        finally:
            self._connection.forget(call)

    def _leave(self, call: int, seconds: float) -> None:
        """Nobody waits for the call any more; it may take the rest of its time, and no longer."""
        self._enter(-call, "")

        async def see_it_end() -> None:
            try:
                if not await self._dropped(call, max(DROP_SECONDS, seconds)):
                    await self._end("a call that its caller had left took longer than it may")
            finally:
                self._exit(-call)

        task = asyncio.ensure_future(see_it_end())
        self._connection.keep(task)

    def _leave_stream(self, call: int, parts: Parts, seconds: float) -> None:
        parts.came.clear()
        if self._connection.waits_for(call):
            self._leave(call, seconds)

    async def _next(self, parts: Parts, call: int, seconds: float) -> tuple[int, bytes]:
        if not parts.came:
            try:
                async with asyncio.timeout(seconds):
                    await parts.wait()
            except TimeoutError:
                raise await self._too_slow(call, seconds) from None
        kind, body = parts.came.popleft()
        if kind == LOST:
            raise await self._gone()
        return kind, body

    async def _read(self, how: Callable[[bytes], Read], body: bytes) -> Read:
        try:
            return how(body)
        except ValueError as error:
            raise await self._nonsense(str(error)) from error

    async def _error(self, kind: int, body: bytes) -> AppError:
        if kind == frames.FAILED:
            return await self._read(_failure, body)
        if kind == frames.DROPPED:
            return await self._gone()
        return await self._nonsense(f"a frame of kind {kind}")

    async def _nonsense(self, what: str) -> ModelLost:
        await self._end(f"its runner does not keep to the protocol: {what}")
        return await self._gone()


def pack(asked: Payload, method: str, request_id: str) -> bytes:
    return frames.pack_call(frames.Call(NUMBERS[asked.kind], method, request_id, asked.body))


def unpack(body: bytes) -> Payload:
    """Raises ValueError."""
    answer = frames.unpack_payload(body)
    warnings = ("non-finite",) if answer.flags & frames.NON_FINITE else ()
    return Payload(answer.body, KINDS[answer.kind], answer.media_type or None, warnings)


def _failure(body: bytes) -> AppError:
    """Raises ValueError."""
    told = read_json(body)
    code, message = str(told.get("code")), str(told.get("message"))[:4000]
    if code == "answer_too_large":
        return AnswerTooLarge(message)
    if code in ("bad_input", "unknown_method"):
        return BadInput(message)
    if code == "not_ready":
        return ModelLost(message)
    kind = str(told.get("kind"))[:200]
    # Some say nothing but what was missing: KeyError, StopIteration.
    said = message if message.startswith(kind) else f"{kind}: {message}"
    return ModelFailed(said, kind=kind, details=str(told.get("details"))[:20_000])


def load_failure(body: bytes) -> LoadFailed:
    """Of NOT_LOADED. Raises ValueError."""
    told = read_json(body)
    message = f"the model did not load: {str(told.get('kind'))[:200]}: {str(told.get('message'))[:4000]}"
    return LoadFailed(message, details=str(told.get("details"))[:20_000])


def read_loaded(body: bytes, isolation: Isolation, known: Loaded | None = None) -> Loaded:
    """Of LOADED; modules and versions from what is `known` of an earlier load. Raises ValueError."""
    told = read_json(body)
    try:
        versions = list(told["versions"].items())[:1000]
        return Loaded(
            seconds=float(told["seconds"]),
            memory_bytes=int(told["memory_bytes"]),
            methods=tuple(map(str, told["methods"]))[:1000],
            streams=bool(told["streams"]),
            isolation=isolation,
            modules=known.modules if known else tuple(map(str, told["modules"]))[:50_000],
            versions=known.versions if known else {str(key): str(value) for key, value in versions},
            warnings=tuple(map(str, told["warnings"]))[:100],
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not what a loaded model says: {error!r}") from error


def read_isolation(body: bytes) -> Isolation:
    """Of CONFINED. Raises ValueError."""
    told = read_json(body)
    applied, missing = told.get("applied"), told.get("missing")
    if not isinstance(applied, list) or not isinstance(missing, dict):
        raise ValueError("not what a launcher says")
    return Isolation(tuple(map(str, applied)), {str(key): str(value) for key, value in missing.items()})
