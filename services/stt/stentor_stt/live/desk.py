"""Where live sessions are let in: no more at a time than this process serves and each caller may have."""

import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import Depends

from stentor_common.adapters import Adapter, resolve
from stentor_common.auth import Caller
from stentor_common.places import Places
from stentor_common.requests import RuntimeDep, resource_of, settings_of
from stentor_common.runtime import Runtime
from stentor_stt.batching import Hearer
from stentor_stt.hearing import HearerDep
from stentor_stt.live.wanted import Wanted
from stentor_stt.settings import SttSettings

if TYPE_CHECKING:
    from stentor_stt.live.stream import LiveStream, Tell

# Imported by the first session: a process that only serves the API need not have numpy.
STREAM: Mapping[str, Adapter] = {
    "live": Adapter("stentor_stt.live.stream:LiveStream", extra="whisper", library="numpy")
}

KIND = "stt.live"

log = structlog.get_logger()


class LiveDesk(Places):
    """Counts the sessions of this process."""

    def __init__(self, settings: SttSettings) -> None:
        super().__init__(
            "live sessions", most=settings.live_sessions, most_each=settings.live_sessions_per_caller
        )


@dataclass(frozen=True, slots=True)
class LiveParts:
    """What a route needs to open live sessions."""

    runtime: Runtime
    settings: SttSettings
    hearer: Hearer
    desk: LiveDesk

    @asynccontextmanager
    async def admitted(self, caller: Caller) -> AsyncIterator[str]:
        """A place for one session, with its id. It counts as one new job.

        Raises Unavailable, Throttled.
        """
        self.desk.take(caller)
        try:
            await self.runtime.throttle.count_new_job(caller)
            yield str(uuid.uuid4())
        finally:
            self.desk.give_back(caller)

    async def check(self, wanted: Wanted) -> None:
        """Loads the model. Raises what keeps it from hearing so: BadInput, Unavailable."""
        await self.hearer.check(wanted.model, wanted.options)

    @asynccontextmanager
    async def stream(
        self, wanted: Wanted, tell: "Tell", *, id: str, caller: Caller
    ) -> AsyncIterator["LiveStream"]:
        """A session that listens within the block."""
        opened: LiveStream = resolve(STREAM, "live")(self.hearer, wanted, tell, id=id, caller=caller.key)
        try:
            async with opened.running():
                yield opened
        finally:
            seconds = opened.taken_ms / 1000
            self.runtime.metrics.media_seconds.labels(KIND, wanted.model).inc(seconds)
            log.info("live session ended", session=id, model=wanted.model, seconds=seconds)


async def get_parts(
    runtime: RuntimeDep,
    settings: Annotated[SttSettings, Depends(settings_of(SttSettings))],
    hearer: HearerDep,
    desk: Annotated[LiveDesk, Depends(resource_of(LiveDesk))],
) -> LiveParts:
    return LiveParts(runtime, settings, hearer, desk)


LivePartsDep = Annotated[LiveParts, Depends(get_parts)]
