"""Jobs that this process has brought to their end, so that others are told without waiting for a sweep."""

import asyncio
import uuid
from collections.abc import Collection

REMEMBERED = 10_000
"""Ended jobs that wait to be looked at; the sweep finds what is beyond."""


class Endings:
    """Jobs that this process has ended since somebody asked last."""

    def __init__(self) -> None:
        self._jobs: set[uuid.UUID] = set()
        self._some = asyncio.Event()

    def note(self, job_ids: Collection[uuid.UUID]) -> None:
        if job_ids and len(self._jobs) < REMEMBERED:
            self._jobs.update(job_ids)
            self._some.set()

    async def take(self) -> set[uuid.UUID]:
        """Those there are, once there are some."""
        await self._some.wait()
        self._some.clear()
        taken, self._jobs = self._jobs, set()
        return taken
