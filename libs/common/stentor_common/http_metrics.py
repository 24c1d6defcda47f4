"""What Prometheus is told about requests, by the template of their path.

The usual library finds the template by comparing each request with every route once more; where several
hundred are served that costs more than many an answer.
"""

import time
from collections.abc import Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stentor_common.metrics import Metrics

UNKNOWN = "none"
"""In place of a path that is no route's."""


class MeasureHttp:
    """Counts and times requests, but those to the paths in `but`."""

    def __init__(self, app: ASGIApp, metrics: Metrics, but: Collection[str]) -> None:
        self._app, self._metrics, self._but = app, metrics, frozenset(but)

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
            self._metrics.http_requests.labels(scope["method"], f"{status // 100}xx", handler).inc()
            self._metrics.http_seconds.labels(scope["method"], handler).observe(seconds)
            self._metrics.http_seconds_of_all.observe(seconds)


def _template(scope: Scope) -> str:
    return str(getattr(scope.get("route"), "path", UNKNOWN))
