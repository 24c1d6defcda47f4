"""A request to an application of the same event loop, whose answer is seen as it comes and whose client can
go away: for tests of any service."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx2
from starlette.types import ASGIApp


class Visit:
    """Begun when it is made; `request` is what httpx makes of method, path and body."""

    def __init__(self, app: ASGIApp, method: str, path: str, **request: Any) -> None:
        made = httpx2.Request(method, f"http://stentor{path}", **request)
        self._body = [{"type": "http.request", "body": made.read(), "more_body": False}]
        self._gone = asyncio.Event()
        self.status = 0
        """0 until the answer has begun."""
        self.headers: dict[str, str] = {}
        self.text = ""
        """What came so far."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in made.headers.raw],
            "scheme": "http",
            "server": ("stentor", 80),
            "client": ("203.0.113.9", 1234),
            "http_version": "1.1",
            "root_path": "",
        }
        self.over = asyncio.create_task(_run(app, scope, self._receive, self._send))
        """Ends with the answer."""

    async def leave(self) -> None:
        """Close the connection, and wait until the other side has noticed."""
        self._gone.set()
        await self.over

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            return self._body.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message.get("body", b"").decode()


async def _run(app: ASGIApp, *arguments: Any) -> None:
    await app(*arguments)
