"""What goes over the wire about webhooks."""

import uuid
from datetime import datetime
from typing import Literal

from stentor_common.webhooks import Callback
from stentor_common.webhooks.table import Webhook, WebhookSecret, WebhookState
from stentor_common.wire import Wire


class AttemptView(Wire):
    at: datetime
    """When the answer had come, or was no longer waited for."""
    status_code: int | None
    """What was answered."""
    error: str | None
    """Why there was no answer."""
    duration_ms: int


class WebhookView(Wire):
    object: Literal["webhook"]
    job_id: uuid.UUID
    url: str
    method: str
    style: str
    """Whose words it is in: `standard`, or the name of an outside contract."""
    status: WebhookState
    next_attempt_at: datetime | None
    """While it is pending: not before this, and not before the job is over."""
    attempts: list[AttemptView]
    """The latest, oldest first."""


class WebhookList(Wire):
    object: Literal["list"]
    data: list[WebhookView]
    """None, or one: a job tells at most one receiver."""


class SecretView(Wire):
    object: Literal["webhook_secret"]
    id: uuid.UUID
    created_at: datetime


class SecretMade(SecretView):
    secret: str
    """Shown this once. Receivers check signatures with it, see standardwebhooks.com."""


class SecretList(Wire):
    object: Literal["list"]
    data: list[SecretView]
    """Newest first; webhooks are signed with each of them."""


def webhook_view(webhook: Webhook, asked: Callback) -> WebhookView:
    return WebhookView(
        object="webhook",
        job_id=webhook.job_id,
        url=asked.url,
        method=asked.method,
        style=webhook.style,
        status=webhook.state,
        next_attempt_at=webhook.next_at if webhook.state == WebhookState.pending else None,
        attempts=[AttemptView(**attempt) for attempt in webhook.attempts],
    )


def secret_view(secret: WebhookSecret) -> SecretView:
    return SecretView(object="webhook_secret", id=secret.id, created_at=secret.created_at)
