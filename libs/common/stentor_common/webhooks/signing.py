"""Signatures as standardwebhooks.com specifies them, and the secrets behind them."""

import base64
import secrets
import uuid
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook as Signer

SECRET_BYTES = 32


def make_secret() -> str:
    """A new secret, in the form that libraries for receivers take."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def message_id(job_id: uuid.UUID) -> str:
    """The same for all attempts, so that a receiver knows what it has seen already."""
    return f"msg_{job_id.hex}"


def signature_headers(
    job_id: uuid.UUID, content: bytes, live: Sequence[str], now: datetime
) -> dict[str, str]:
    """The three headers of a signed message, with a signature by each of the secrets: while one replaces
    another, receivers accept either."""
    name, text = message_id(job_id), content.decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(Signer(secret).sign(name, now, text) for secret in live),
    }
