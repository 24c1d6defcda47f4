"""When a webhook that did not arrive is tried again: ten times within a day. Pure."""

import uuid
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

HOUR = 3600
DELAYS = (5, 30, 120, 600, 1800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
"""Seconds after the first, second, … attempt."""
MOST_TRIES = len(DELAYS) + 1
LONGEST_WAIT = timedelta(hours=12)
"""Somebody who asks for more patience than this gets this much."""
SPREAD = 0.2
"""Part of a delay that is added, differently for each job: a server that comes back is not met by all at
once."""


def next_try(tries: int, job_id: uuid.UUID, now: datetime, *, retry_after: str = "") -> datetime | None:
    """When to try again after so many attempts; None when that were enough.

    `retry_after` is the header of that name (RFC 9110, 10.2.3); it can put the next attempt off.
    """
    if tries >= MOST_TRIES:
        return None
    spread = 1 + SPREAD * (job_id.int % 1000) / 1000
    delay = timedelta(seconds=DELAYS[max(tries, 1) - 1] * spread)
    return now + max(delay, min(_asked_for(retry_after, now), LONGEST_WAIT))


def _asked_for(retry_after: str, now: datetime) -> timedelta:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text[:9]))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return timedelta()
    return (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
