"""Requests that are answered before the framework is asked: few paths, which are called very often.

What the framework and the middleware do for any request costs several times what many an answer does. A
front does the little of it that its path needs, and leaves every request that wants more to the framework.
"""

import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import Counter
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from stentor_common.auth import Caller, credential_in
from stentor_common.errors import AppError, TooLarge
from stentor_common.metrics import Metrics
from stentor_common.middleware import REQUEST_ID
from stentor_common.problems import envelope, from_app_error
from stentor_common.requests import get_caller, get_runtime, identified, known_by_address

LINES_A_SECOND = 20
"""Requests to fronts that are logged one by one; of further ones only the number is."""

Headers = list[tuple[bytes, bytes]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Visit:
    """A request that a front answers."""

    connection: HTTPConnection
    headers: Mapping[str, str]
    request_id: str
    receive: Receive

    async def caller(self) -> Caller:
        """Raises Unauthenticated, Unavailable."""
        credential = credential_in(self.headers)
        if credential:
            return await identified(self.connection, credential)
        return await get_caller(known_by_address(self.connection), await get_runtime(self.connection))

    async def body(self, most: int) -> bytes:
        """All of it. Raises TooLarge, ClientLeft."""
        message = await self.receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            parts, size = [body], len(body)
            while message.get("more_body") and size <= most:
                message = await self.receive()
                parts.append(message.get("body", b""))
                size += len(parts[-1])
            body = b"".join(parts)
        if message["type"] == "http.disconnect":
            raise ClientLeft("the client left before it had sent its request")
        if len(body) > most:
            raise TooLarge(f"the request body is larger than {most} bytes, the limit here")
        return body


Answer = Callable[[Visit], Awaitable[tuple[bytes, Headers]]]
"""Gives the body of a good answer, and its headers beside the length. Raises AppError."""


class Front(Protocol):
    path: str
    """Template of its paths, as metrics tell it."""

    def finds(self, scope: Scope) -> Answer | None:
        """What answers this request, if it does. Must be quick: it is asked about all of them."""


class ClientLeft(AppError):
    """Nobody reads it; the log shows why there was no answer."""

    status = 499
    code = "client_left"


class AskFronts:
    """Asks each front about each request, and the framework where none takes it.

    Answers look as the framework's do: with an id, in the shape of all errors, readable by any web page.
    """

    def __init__(self, app: ASGIApp, fronts: Sequence[Front], metrics: Metrics) -> None:
        self._app = app
        self._fronts = [_Told(front, metrics) for front in fronts]
        self._log = BoundedLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for told in self._fronts:
                if answer := told.front.finds(scope):
                    await self._answer(told, answer, scope, receive, send)
                    return
        await self._app(scope, receive, send)

    async def _answer(
        self, told: "_Told", answer: Answer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started, status = time.perf_counter(), 500
        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id = _request_id(sent.get("x-request-id"))
        try:
            body, headers = await answer(Visit(HTTPConnection(scope), sent, request_id, receive))
            status = 200
        except AppError as error:
            status, body, headers = _told(error)
        except Exception:
            log.exception("a request crashed", request_id=request_id)
            message = f"something went wrong on our side; the log knows it as request {request_id}"
            status, body, headers = _told(AppError(message))
        finally:
            seconds = time.perf_counter() - started
            told.note(status, seconds)
            self._log.request(request_id, scope["path"], status, seconds)
        headers.append((b"x-request-id", request_id.encode()))
        headers.append((b"content-length", b"%d" % len(body)))
        if "origin" in sent:
            headers += [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", b"*")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Told:
    """A front, and what metrics are told of it, looked up once."""

    def __init__(self, front: Front, metrics: Metrics) -> None:
        self.front, self._metrics = front, metrics
        self._seconds = metrics.http_seconds.labels("POST", front.path)
        self._requests: dict[int, Counter] = {}

    def note(self, status: int, seconds: float) -> None:
        kind = status // 100
        counter = self._requests.get(kind)
        if counter is None:
            requests = self._metrics.http_requests
            counter = self._requests[kind] = requests.labels("POST", f"{kind}xx", self.front.path)
        counter.inc()
        self._seconds.observe(seconds)
        self._metrics.http_seconds_of_all.observe(seconds)


class BoundedLog:
    """Logs requests, so many a second one by one; after that, how many more there were."""

    def __init__(
        self, lines_a_second: int = LINES_A_SECOND, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._now = lines_a_second, now
        self._second, self._lines, self._unlogged = 0, 0, 0

    def request(self, request_id: str, path: str, status: int, seconds: float) -> None:
        second = int(self._now())
        if second != self._second:
            if self._unlogged:
                log.info("more requests", requests=self._unlogged)
            self._second, self._lines, self._unlogged = second, 0, 0
        if self._lines < self._most:
            self._lines += 1
            took = round(seconds * 1000, 1)
            log.info("request", request_id=request_id, method="POST", path=path, status=status, ms=took)
        else:
            self._unlogged += 1


def _request_id(sent: str | None) -> str:
    if sent and REQUEST_ID.fullmatch(sent):
        return sent
    # It tells requests apart and guards nothing.
    return f"{random.getrandbits(128):032x}"


def _told(error: AppError) -> tuple[int, bytes, Headers]:
    response = envelope(from_app_error(error))
    headers = [(name, value) for name, value in response.raw_headers if name != b"content-length"]
    return response.status_code, bytes(response.body), headers
