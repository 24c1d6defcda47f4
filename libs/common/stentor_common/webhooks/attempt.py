"""One try to deliver a webhook: say it, sign it, send it, and judge the answer."""

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from stentor_common.errors import AppError
from stentor_common.fetch import Answered, Fetcher, Outgoing, UrlRefused
from stentor_common.jobs.table import Job
from stentor_common.webhooks import Callback, CallbackStyle
from stentor_common.webhooks.events import STANDARD_STYLE
from stentor_common.webhooks.intake import NoSigningSecret, opened
from stentor_common.webhooks.repository import Ended, SecretRepository
from stentor_common.webhooks.schedule import MOST_TRIES, next_try
from stentor_common.webhooks.signing import signature_headers
from stentor_common.webhooks.table import Webhook, WebhookState

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

UNSAID = "something went wrong on our side; the operator finds it in the log under the job's id"
CUT_OFF = "every attempt was cut off by the end of the process that made it"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Result:
    """What happened: an answer, or what stood in its way."""

    answer: Answered | None = None
    error: str | None = None
    final: bool = False
    """Whether another attempt would be of no use."""

    @property
    def arrived(self) -> bool:
        return self.answer is not None and 200 <= self.answer.status < 300


@dataclass(frozen=True, slots=True)
class Sender:
    """Makes attempts, in the words of these styles."""

    runtime: "Runtime"
    fetcher: Fetcher
    styles: Mapping[str, CallbackStyle]

    async def attempt(self, webhook: Webhook, job: Job) -> Ended:
        """Try once; returns what is to be written down. Whatever goes wrong is part of that."""
        started = time.monotonic()
        try:
            result = await self._try(webhook, job)
        except AppError as error:
            result = Result(error=error.message, final=isinstance(error, UrlRefused))
        except Exception:
            # Whatever is wrong with one webhook, the others must go out.
            log.exception("a webhook could not be sent", job_id=str(job.id))
            result = Result(error=UNSAID)
        return self._judged(webhook, result, round((time.monotonic() - started) * 1000))

    async def _try(self, webhook: Webhook, job: Job) -> Result:
        if webhook.tries > MOST_TRIES:
            return Result(error=CUT_OFF, final=True)
        style = self.styles.get(webhook.style, STANDARD_STYLE)
        asked = opened(self.runtime, webhook)
        told = await style.render(self.runtime, job)
        # The transcript of a long recording takes long enough to keep others waiting.
        body = await asyncio.to_thread(_encoded, told)
        signature = await self._signature(webhook, asked, body)
        headers = {"content-type": "application/json", **asked.headers, **signature}
        answer = await self.fetcher.send(
            Outgoing(asked.url, body, headers, asked.method),
            max_seconds=self.runtime.settings.webhook_seconds,
        )
        return Result(answer, final=answer.status in style.stops_at)

    async def _signature(self, webhook: Webhook, asked: Callback, body: bytes) -> Mapping[str, str]:
        """Headers that prove it is ours; none where nobody expects them and there is no secret."""
        async with self.runtime.db.reading() as session:
            live = await SecretRepository(session).live(webhook.owner_id)
        if not live and asked.signed:
            raise NoSigningSecret
        secrets = [self.runtime.sealer.open(secret.sealed) for secret in live]
        now = self.runtime.clock.now()
        return signature_headers(webhook.job_id, body, secrets, now) if secrets else {}

    def _judged(self, webhook: Webhook, result: Result, took_ms: int) -> Ended:
        now = self.runtime.clock.now()
        retry_after = result.answer.retry_after if result.answer else ""
        again = next_try(webhook.tries, webhook.job_id, now, retry_after=retry_after)
        state = WebhookState.pending
        if result.arrived:
            state = WebhookState.delivered
        elif result.final or again is None:
            state = WebhookState.failed
        logged: dict[str, Any] = {
            "at": now.isoformat(),
            "status_code": result.answer.status if result.answer else None,
            "error": result.error,
            "duration_ms": took_ms,
        }
        return Ended(state, again or now, logged)


def _encoded(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
