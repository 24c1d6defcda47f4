"""What callers ask for: refused where that is plain already, sealed before it is kept."""

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING

from stentor_common.auth import Caller
from stentor_common.errors import AppError, BadInput
from stentor_common.fetch import Reach
from stentor_common.settings import Settings
from stentor_common.webhooks import Callback
from stentor_common.webhooks.repository import Accepted, SecretRepository
from stentor_common.webhooks.table import Webhook

if TYPE_CHECKING:
    from stentor_common.runtime import Runtime

PORTS = (80, 443, 8080, 8443)
URL_CHARACTERS = 2048
METHODS = ("POST", "PUT")
HEADERS = 10
HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,4094}[\x21-\x7e])?")
OURS = re.compile(
    r"webhook-.*|content-.*|accept-encoding|connection|cookie|expect|host|keep-alive|proxy-.*|te|trailer"
    r"|transfer-encoding|upgrade|user-agent",
    re.IGNORECASE,
)
"""Headers that a caller may not choose."""


class WebhookRefused(BadInput):
    code = "webhook_refused"

    def __init__(self, message: str) -> None:
        super().__init__(message, param="webhook_url")


class NoSigningSecret(BadInput):
    code = "webhook_secret_missing"

    def __init__(self) -> None:
        super().__init__(
            "there is no secret to sign the webhook with: make one at POST /v1/webhooks/secrets",
            param="webhook_url",
        )


def reach(settings: Settings) -> Reach:
    """Where webhooks may go."""
    return Reach.to(settings.webhook_allowed, PORTS)


async def accepted(runtime: "Runtime", caller: Caller, callback: Callback) -> Accepted:
    """The webhook, ready to be kept with its job.

    Raises Unauthenticated for a caller without an account, WebhookRefused, NoSigningSecret, SecretKeyMissing.
    """
    owner_id = caller.need_user()
    _check(callback, reach(runtime.settings))
    if callback.signed:
        async with runtime.db.reading() as session:
            if not await SecretRepository(session).live(owner_id):
                raise NoSigningSecret
    return Accepted(owner_id, callback.style, runtime.sealer.seal(json.dumps(asdict(callback))))


def opened(runtime: "Runtime", webhook: Webhook) -> Callback:
    """What was asked for. Raises Unreadable."""
    return Callback(**json.loads(runtime.sealer.open(webhook.target)))


def _check(callback: Callback, within: Reach) -> None:
    if len(callback.url) > URL_CHARACTERS:
        raise WebhookRefused(f"the URL of a webhook has at most {URL_CHARACTERS} characters")
    try:
        within.checked(callback.url)
    except AppError as error:
        raise WebhookRefused(f"the webhook cannot go there: {error.message}") from error
    if callback.method not in METHODS:
        raise WebhookRefused(f"a webhook is sent with {' or '.join(METHODS)}")
    if len(callback.headers) > HEADERS:
        raise WebhookRefused(f"a webhook takes at most {HEADERS} headers of yours")
    for name, value in callback.headers.items():
        if not HEADER_NAME.fullmatch(name) or OURS.fullmatch(name):
            raise WebhookRefused(f"the header {name[:64]!r} cannot be sent with a webhook")
        if not HEADER_VALUE.fullmatch(value):
            raise WebhookRefused(f"the value of the header {name!r} must be plain text without line breaks")
