"""What happens to every request before it is routed."""

import re
import time
import uuid
from collections.abc import Callable, Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


class StripSlash:
    """Serves every path with and without a slash at its end, without a redirect: clients differ, and
    some send a body twice, or give up, when they are redirected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and len(scope["path"]) > 1:
            scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send)


class LimitBody:
    """Bounds what a request may send: `usual` bytes, or those of its path in `forms`, if it is a form, or
    in `raw`, whatever it is; paths may have parameters, as those of routes. Only these are read as a stream;
    any other body is held in memory.

    The framework's own bound answers in plain text, without the number, whatever the contract of the path.
    """

    def __init__(self, app: ASGIApp, usual: int, forms: Mapping[str, int], raw: Mapping[str, int]) -> None:
        self._app, self._usual = app, usual
        self._raw, self._forms = _ByPath(raw), _ByPath({**raw, **forms})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").lower().startswith("multipart/form-data")
        limit = (self._forms if form else self._raw).get(scope["path"]) or self._usual
        announced = headers.get("content-length", "")
        taken = int(announced) if announced.isdigit() and int(announced) > limit else 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive() if taken <= limit else {}
            taken += len(message.get("body", b""))
            if taken > limit:
                raise HTTPException(413, f"the request body is larger than {limit} bytes, the limit here")
            return message

        await self._app(scope, limited, send)


class _ByPath:
    """Numbers by the path they are for."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._exact = {path: number for path, number in numbers.items() if "{" not in path}
        patterns = ((compile_path(path)[0], number) for path, number in numbers.items() if "{" in path)
        self._patterns = list(patterns)

    def get(self, path: str) -> int | None:
        if path in self._exact:
            return self._exact[path]
        return next((number for pattern, number in self._patterns if pattern.match(path)), None)


class CatchCrash:
    """Answers for a defect, inside of everything that marks answers: the framework's own place for that is
    outside, and its answers have neither a request id nor what a browser needs to show them."""

    def __init__(self, app: ASGIApp, render: Callable[[Request], Response]) -> None:
        self._app, self._render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = False

        async def answer(message: Message) -> None:
            nonlocal answering
            answering = True
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            if scope["type"] != "http" or answering:
                raise
            log.exception("a request crashed")
            await self._render(Request(scope))(scope, receive, send)


class RequestLog:
    """Gives each request an id (the client's own if it sent a sound one), returns it, and logs one line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 0, time.perf_counter()

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer)
            finally:
                if scope["path"] not in QUIET:
                    took = round((time.perf_counter() - started) * 1000, 1)
                    log.info("request", method=scope["method"], path=scope["path"], status=status, ms=took)
