"""How many replicas a Deployment gets when several gateways serve it: the most that any of them wants.

Each writes its own wish on the Deployment, as an annotation, and repeats it; the wish of a gateway that is
gone lapses. So none puts a model to sleep that another one calls, and none has to know of the others.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

PREFIX = "wish.stentor/"
"""Of annotations; what follows is who wishes."""


def wanted(annotations: Mapping[str, str], now: datetime, lapse: timedelta) -> int:
    """The most that is wished for by anybody who said so lately."""
    return max((count for count, at in _wishes(annotations).values() if now - at < lapse), default=0)


def change(
    deployment: Mapping[str, Any], now: datetime, lapse: timedelta, **mine: int
) -> dict[str, Any] | None:
    """What has to be merged into a Deployment: who wishes how many replicas (0 withdraws a wish), without
    what has lapsed. It holds the version it was made for. None where nothing would change."""
    metadata = deployment["metadata"]
    before: dict[str, str] = metadata.get("annotations") or {}
    written: dict[str, str | None] = {
        PREFIX + who: None for who, (_, at) in _wishes(before).items() if now - at >= lapse
    }
    for who, count in mine.items():
        name = PREFIX + who
        written[name] = f"{count} {now.isoformat()}" if count else None
    after = {name: text for name, text in {**before, **written}.items() if text is not None}
    replicas = wanted(after, now, lapse)
    if after == before and deployment["spec"].get("replicas") == replicas:
        return None
    return {
        "metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": written},
        "spec": {"replicas": replicas},
    }


def first(deployment: Mapping[str, Any], now: datetime, lapse: timedelta) -> str | None:
    """One of those that wish for anything: the same one for all who ask."""
    found = _wishes(deployment["metadata"].get("annotations") or {})
    return min((who for who, (_, at) in found.items() if now - at < lapse), default=None)


def _wishes(annotations: Mapping[str, str]) -> dict[str, tuple[int, datetime]]:
    found = {}
    for name, text in annotations.items():
        if name.startswith(PREFIX):
            count, _, at = text.partition(" ")
            # Others may write annotations too; what is no wish is no wish.
            with suppress(ValueError):
                found[name.removeprefix(PREFIX)] = (int(count), datetime.fromisoformat(at))
    return found
