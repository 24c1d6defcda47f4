"""A client's end of a WebSocket into an application of the same event loop, for tests of any service."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp

Event = MutableMapping[str, Any]

GOING_AWAY, LOST = 1001, 1006


class SocketRefused(Exception):
    """The application did not accept the connection, and answered as to any request."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"refused with status {status}: {body.decode()}")
        self.status, self.body = status, body


class SocketClosed(Exception):
    """The application has ended the connection."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with code {code} {reason}")
        self.code, self.reason = code, reason


class Socket:
    def __init__(self) -> None:
        self._to_app: asyncio.Queue[Event] = asyncio.Queue()
        self._from_app: asyncio.Queue[Event] = asyncio.Queue()
        self.subprotocol: str | None = None
        """Which of those that the headers offer was chosen."""

    async def send(self, message: str | bytes) -> None:
        kind = "text" if isinstance(message, str) else "bytes"
        await self._to_app.put({"type": "websocket.receive", kind: message})

    async def receive(self) -> str | bytes:
        """The next message. Raises SocketClosed when there is no further one."""
        event = await self._from_app.get()
        if event["type"] == "websocket.close":
            raise SocketClosed(event.get("code", 1000), event.get("reason") or "")
        found: str | bytes = event["bytes"] if event.get("text") is None else event["text"]
        return found

    async def receive_json(self) -> Any:
        """The next message, a text that holds JSON."""
        return json.loads(await self.receive())

    async def leave(self, code: int = LOST) -> None:
        """Go, by default as a client does that has died."""
        await self._to_app.put({"type": "websocket.disconnect", "code": code})

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._to_app.get, self._from_app.put)
        finally:
            # Whoever still listens must not wait for ever.
            await self._from_app.put({"type": "websocket.close", "code": LOST})

    async def open(self) -> None:
        await self._to_app.put({"type": "websocket.connect"})
        event = await self._from_app.get()
        if event["type"] == "websocket.http.response.start":
            raise SocketRefused(event["status"], await self._body())
        if event["type"] == "websocket.close":
            raise SocketRefused(403, b"")
        self.subprotocol = event.get("subprotocol")

    async def _body(self) -> bytes:
        body, more = b"", True
        while more:
            part = await self._from_app.get()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        return body


@asynccontextmanager
async def websocket(
    app: ASGIApp, url: str, *, headers: Mapping[str, str] | None = None, address: str = "203.0.113.9"
) -> AsyncIterator[Socket]:
    """A connection to a path, which may have a query. Raises SocketRefused.

    At the end of the block the client goes; what the application raised, or raises then, is raised here.
    """
    path, _, query = url.partition("?")
    sent = {"host": "stentor", **{name.lower(): value for name, value in (headers or {}).items()}}
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        "client": (address, 1234),
        "server": ("stentor", 80),
        "subprotocols": [name.strip() for name in sent.get("sec-websocket-protocol", "").split(",") if name],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
    socket = Socket()
    serving = asyncio.create_task(socket.run(app, scope))
    try:
        await socket.open()
        yield socket
    finally:
        await socket.leave(GOING_AWAY)
        await serving
