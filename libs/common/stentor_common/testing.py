"""What tests of any service need: a job to make, a sound to send, patience with what happens elsewhere."""

import asyncio
import io
import time
import uuid
import wave
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from stentor_common.jobs.repository import NewJob

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.01
RATE = 16_000


async def eventually(look: Callable[[], Awaitable[T]], *, seconds: float = 10) -> T:
    """The first answer that is neither empty nor false. Raises AssertionError with the last one when there
    is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds; the last answer was {found!r}"
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return found


def sound(seconds: float = 1) -> bytes:
    """A WAV file in which it is loud all the time."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(b"\x00\x40" * int(seconds * RATE))
    return file.getvalue()


def new_job(**changed: Any) -> NewJob:
    """A job of kind `test.work` that nobody else has."""
    fields: dict[str, Any] = {
        "kind": "test.work",
        "queue": "test",
        "request": {"what": "anything"},
        "retention": timedelta(days=7),
        "id": uuid.uuid4(),
    }
    return NewJob(**(fields | changed))
