"""The server's end of a connection to a runner, over a socket of this machine or of another.

What comes is not trusted: the process at the other end runs somebody's code. Frames that are too large,
make no sense or answer nothing close the connection.
"""

import asyncio
import json
import socket
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from stentor_deploy.runner import frames

OVERHEAD: Final = 1024 * 1024
"""Bytes that a frame may have beyond the largest answer: headers, and errors with their tracebacks."""


class ConnectionLost(Exception):
    """Nothing more comes. The message says why, for a log."""


class Parts:
    """Parts of a stream that have come and were not taken yet."""

    def __init__(self) -> None:
        self.came: deque[tuple[int, bytes]] = deque()
        self.allowed = frames.WINDOW
        self._waiter: asyncio.Future[None] | None = None

    def put(self, kind: int, body: bytes) -> None:
        self.came.append((kind, body))
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        if not self.came:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


Waiting = asyncio.Future[tuple[int, bytes]] | Parts
LOST: Final = -1
"""Kind of what is told to a stream when the connection is lost."""


class Connection(asyncio.Protocol):
    """Calls by their numbers. Everything happens on the loop that it was opened on."""

    def __init__(self, *, most_bytes: int, told: Callable[[int, bytes], None] | None = None) -> None:
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why it ended."""
        self._most, self._told = most_bytes + OVERHEAD, told
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, Waiting] = {}
        self._given_up: set[int] = set()
        self._kept: set[asyncio.Task[None]] = set()
        self._came = bytearray()
        self._last = 0
        self._reason = ""

    @property
    def open(self) -> bool:
        return not self.ended.done()

    async def reason(self) -> str:
        """Why it ended; waits until it has."""
        return await asyncio.shield(self.ended)

    def send(self, kind: int, call: int = 0, body: bytes = b"") -> None:
        """Raises ConnectionLost."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionLost(self._reason or "the connection is closed")
        self._transport.write(frames.frame(kind, call, body))

    def begin(self, kind: int, body: bytes, waiting: Waiting) -> int:
        """Sends a call and returns its number. Raises ConnectionLost."""
        self._last = self._last % 0xFFFFFFFE + 1
        self.send(kind, self._last, body)
        self._waiting[self._last] = waiting
        return self._last

    def forget(self, call: int) -> None:
        """Its answer is not awaited any more; when it comes it is thrown away."""
        if self._waiting.pop(call, None) is not None:
            self._given_up.add(call)

    def waits_for(self, call: int) -> bool:
        return call in self._waiting

    def replace(self, call: int, waiting: Waiting) -> None:
        """Somebody else waits for what answers the call."""
        self._waiting[call] = waiting

    def keep(self, task: asyncio.Task[None]) -> None:
        """Work for a call that nobody waits for; it is kept from being forgotten."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    async def ask(self, kind: int, body: bytes) -> tuple[int, bytes]:
        """One call and the frame that answers it. Raises ConnectionLost."""
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        call = self.begin(kind, body, answer)
        try:
            return await answer
        finally:
            if not answer.done() or answer.cancelled():
                self.forget(call)

    def close(self, reason: str = "closed") -> None:
        self._reason = self._reason or reason
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Other loops have transports of their own kinds.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        reason = self._reason or (f"the connection broke: {exc}" if exc else "the other end closed it")
        self._reason = reason
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if isinstance(each, Parts):
                each.put(LOST, reason.encode())
            elif not each.done():
                each.set_exception(ConnectionLost(reason))
        if not self.ended.done():
            self.ended.set_result(reason)

    def data_received(self, data: bytes) -> None:
        came, at = self._came, 0
        came += data
        size = frames.HEADER.size
        try:
            while len(came) - at >= size:
                length, call, kind = frames.HEADER.unpack_from(came, at)
                if length > self._most:
                    raise ValueError(f"a frame of {length} bytes; the limit is {self._most}")
                end = at + size + length
                if len(came) < end:
                    break
                body = bytes(memoryview(came)[at + size : end])
                at = end
                self._take(kind, call, body)
        except ValueError as error:
            self.close(f"the runner does not keep to the protocol: {error}")
            came.clear()
            return
        if at:
            del came[:at]

    def _take(self, kind: int, call: int, body: bytes) -> None:
        if call == 0:
            if self._told:
                self._told(kind, body)
            return
        waiting = self._waiting.get(call)
        if isinstance(waiting, Parts):
            self._take_part(kind, call, body, waiting)
        elif waiting is not None:
            del self._waiting[call]
            if not waiting.done():
                waiting.set_result((kind, body))
        elif call not in self._given_up:
            raise ValueError(f"an answer to call {call}, which nobody made")
        elif kind != frames.PART:
            self._given_up.discard(call)

    def _take_part(self, kind: int, call: int, body: bytes, parts: Parts) -> None:
        if kind == frames.PART:
            parts.allowed -= 1
            if parts.allowed < 0:
                raise ValueError("more parts than it may send")
        else:
            del self._waiting[call]
        parts.put(kind, body)


async def open_socket(
    end: socket.socket, *, most_bytes: int, told: Callable[[int, bytes], None]
) -> Connection:
    """Over a connected socket, which it owns from now on. `told` takes kind and body of frames that answer
    no call."""
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(most_bytes=most_bytes, told=told), sock=end
    )
    return connection


async def open_unix(path: Path, *, most_bytes: int, told: Callable[[int, bytes], None]) -> Connection:
    """Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_unix_connection(
        lambda: Connection(most_bytes=most_bytes, told=told), str(path)
    )
    return connection


async def open_tcp(
    host: str, port: int, token: str, *, most_bytes: int, told: Callable[[int, bytes], None]
) -> Connection:
    """Greets with the token; a runner with another closes the connection. Raises OSError."""
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(most_bytes=most_bytes, told=told), host, port
    )
    connection.send(frames.HELLO, body=token.encode())
    return connection


def read_json(body: bytes) -> dict[str, Any]:
    """Of a runner's frame: an object with nothing but what JSON knows. Raises ValueError."""
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise ValueError("JSON that is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("JSON that is no object")
    return found
