"""The short way of the plainest call: JSON in, one answer, while the caller waits.

It answers what `POST /v1/deployments/{name}/predict` does in the same words, without the framework; requests
that want more of that path (a stream, an answer later) are left to it.
"""

import re
from functools import partial

from starlette.types import Scope

from stentor_common.auth import Scope as Right
from stentor_common.front import Answer, Headers, Visit
from stentor_deploy.running import Payload
from stentor_deploy.serving.bodies import headers_of, media_type_of, parsed_json
from stentor_deploy.serving.calls import Asked
from stentor_deploy.serving.gateway import Gateway

PATH = re.compile(r"/v1/deployments/([^/]{1,200})/predict/?")
QUERY = re.compile(rb"(?:revision=([0-9A-Fa-f-]{1,36}))?")
PLAIN = {b"content-type": (b"application/json", b""), b"accept": (b"*/*", b"application/json", b"")}
"""What these headers may say, for a call to be plain."""

WANT_MORE = frozenset({b"prefer", b"idempotency-key", b"expect"})
"""Headers of calls that are not."""


class PredictFront:
    """A `stentor_common.front.Front`."""

    path = "/v1/deployments/{name}/predict"

    def __init__(self, gateway: Gateway, max_body_bytes: int) -> None:
        self._gateway, self._max_body_bytes = gateway, max_body_bytes

    def finds(self, scope: Scope) -> Answer | None:
        if scope["method"] != "POST" or not (path := PATH.fullmatch(scope["path"])):
            return None
        headers, query = dict(scope["headers"]), QUERY.fullmatch(scope["query_string"])
        plain = all(headers.get(name, b"") in values for name, values in PLAIN.items())
        if query is None or not plain or not WANT_MORE.isdisjoint(headers):
            return None
        return partial(self._answer, path[1], query[1].decode() if query[1] else None)

    async def _answer(self, name: str, revision: str | None, visit: Visit) -> tuple[bytes, Headers]:
        caller = await visit.caller()
        caller.need(Right.jobs_write)
        body = await visit.body(self._max_body_bytes)
        parsed_json(body)
        asked = Asked(name, Payload(body), revision=revision, request_id=visit.request_id)
        predicted = await self._gateway.predict(caller, asked)
        answer = predicted.payload
        said = {"content-type": media_type_of(answer), **headers_of(answer, predicted.number)}
        return answer.body, [(name.encode(), value.encode()) for name, value in said.items()]
