"""What is done for served models beside their calls: put to sleep, kept awake, given replicas, forgotten."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping

import structlog

from stentor_common.errors import AppError, NotFound
from stentor_deploy.routing import Route, Routes, Target
from stentor_deploy.serving.revision import Served
from stentor_deploy.serving.usage import Ledger, Meter

LOOK_EVERY_SECONDS = 1.0
WRITE_EVERY_SECONDS = 10.0

log = structlog.get_logger()


class Keeper:
    """Looks after the revisions of a gateway."""

    def __init__(
        self,
        served: Mapping[uuid.UUID, Served],
        routes: Routes,
        meter: Meter,
        ledger: Ledger | None,
        serve: Callable[[Route, Target], Served],
        drop: Callable[[uuid.UUID], Awaitable[None]],
    ) -> None:
        """`serve` gives the revision of a target, `drop` forgets one."""
        self._served, self._routes = served, routes
        self._meter, self._ledger = meter, ledger
        self._serve, self._drop = serve, drop
        self._written = time.monotonic()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Once. What goes wrong is logged: the next look may go better."""
        try:
            now = time.monotonic()
            await self._keep_awake()
            for revision_id, served in list(self._served.items()):
                await self._look_after(revision_id, served, now)
            if now - self._written >= WRITE_EVERY_SECONDS:
                await self.write()
        except AppError as error:
            log.warning("models are not looked after", why=error.message)
        except Exception:
            log.exception("models are not looked after")

    async def write(self) -> None:
        """Tell the ledger what was used."""
        self._written = time.monotonic()
        if self._ledger and (used := self._meter.take()):
            try:
                await self._ledger.write(used)
            except BaseException:
                self._meter.put_back(used)
                raise

    async def _keep_awake(self) -> None:
        for route in await self._routes.kept():
            for target in route.targets:
                if target.percent and route.min_replicas:
                    self._serve(route, target).wake(route.min_replicas)

    async def _look_after(self, revision_id: uuid.UUID, served: Served, now: float) -> None:
        target = await self._target(revision_id, served)
        if target is None:
            await self._drop(revision_id)
            return
        served.target = target
        kept = served.route.min_replicas if target.percent else 0
        idle = served.idle_since(now)
        if kept or served.asleep or served.calls or idle < served.route.idle_seconds:
            await served.look_after(now)
        elif await self._idle_everywhere(revision_id, served.route):
            await served.sleep()

    async def _target(self, revision_id: uuid.UUID, served: Served) -> Target | None:
        """What its deployment says of it now."""
        try:
            served.route = await self._routes.find(str(served.route.deployment_id))
        except NotFound:
            return None
        return next((each for each in served.route.targets if each.revision_id == revision_id), None)

    async def _idle_everywhere(self, revision_id: uuid.UUID, route: Route) -> bool:
        """Replicas may be shared with other processes, which tell the ledger of their calls."""
        if self._ledger is None:
            return True
        await self.write()
        return await self._ledger.idle_seconds(revision_id) >= route.idle_seconds
