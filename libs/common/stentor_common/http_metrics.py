"""What Prometheus is told about requests, by the template of their path.

The usual library finds the template by comparing each request with every route once more; where several hundred
are served that costs more than many an answer.
"""

import time
from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COARSE = (0.1, 0.5, 1)
FINE = (0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30, 60)
UNKNOWN = "none"
"""In place of a path that is no route's."""


class MeasureHttp:
    """Counts and times requests, but those to the paths in `but`."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry, but: Collection[str]) -> None:
        self._app, self._but = app, frozenset(but)
        self._requests = Counter(
            "http_requests", "Requests.", ["method", "status", "handler"], registry=registry
        )
        self._coarse = Histogram(
            "http_request_duration_seconds",
            "From a request to the end of its answer.",
            ["method", "handler"],
            registry=registry,
            buckets=COARSE,
        )
        self._fine = Histogram(
            "http_request_duration_highr_seconds",
            "The same, of all requests together.",
            registry=registry,
            buckets=FINE,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._but:
            await self._app(scope, receive, send)
            return
        status, started = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            seconds = time.perf_counter() - started
            handler = _template(scope)
            self._requests.labels(scope["method"], f"{status // 100}xx", handler).inc()
            self._coarse.labels(scope["method"], handler).observe(seconds)
            self._fine.observe(seconds)


def _template(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", UNKNOWN))
