"""The one way of a call to a deployed model, whatever contract it came by."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator

from stentor_common.auth import Caller
from stentor_common.errors import AppError, NotFound
from stentor_deploy.errors import LoadFailed, ModelFailed, ModelUnhealthy
from stentor_deploy.routing import Route, Routes, Specs, Target
from stentor_deploy.running import Driver, Payload
from stentor_deploy.serving.calls import Asked, Predicted
from stentor_deploy.serving.keeping import Keeper
from stentor_deploy.serving.metrics import ServingMetrics
from stentor_deploy.serving.revision import Ground, Served, Tell
from stentor_deploy.serving.status import ServingState, ServingStatus
from stentor_deploy.serving.traffic import Traffic, named
from stentor_deploy.serving.tried import TriedFleet
from stentor_deploy.serving.usage import Ledger, Meter, Used
from stentor_deploy.settings import DeploySettings

__all__ = ["Asked", "Gateway", "Ledger", "Predicted", "ServingState", "ServingStatus", "Tell", "Used"]


class Gateway:
    """Finds the revision, wakes it, waits for a turn at a replica, joins calls where that is allowed.

    One of it serves a process. `keep` must run for models to be put to sleep and to be kept awake; calls are
    answered without it.
    """

    def __init__(
        self,
        routes: Routes,
        specs: Specs,
        driver: Driver,
        settings: DeploySettings,
        tell: Tell,
        ledger: Ledger | None = None,
    ) -> None:
        self.metrics = ServingMetrics()
        """To be registered by whoever has a registry."""
        self._routes, self._driver = routes, driver
        self._ground = Ground(specs, driver, settings, tell)
        self._traffic, self._meter = Traffic(), Meter()
        self._served: dict[uuid.UUID, Served] = {}
        self._ending: dict[uuid.UUID, asyncio.Task[None]] = {}
        self._keeper = Keeper(self._served, routes, self._meter, ledger, self._serve, self.drop)

    async def find(self, caller: Caller, name: str) -> Route:
        """By name or id. Raises NotFound, also for what this caller may not see."""
        route = self._routes.known(name) or await self._routes.find(name)
        if not route.public and not caller.may_see(route.owner_id):
            raise NotFound(f"there is no deployment {name[:200]!r} here, or it is somebody else's")
        return route

    async def predict(self, caller: Caller, asked: Asked) -> Predicted:
        """Raises NotFound, NotReady, ModelFailed, ModelTooSlow, ModelLost, ModelUnhealthy, AnswerTooLarge,
        TooManyWaiting, and what bringing the model to this machine raises."""
        route, target = await self._meant(caller, asked)
        served = await self._called(route, target)
        started, outcome = time.perf_counter(), "crashed"
        try:
            payload = await served.predict(asked)
            outcome = "ok"
        except AppError as error:
            outcome = error.code
            self._log_failure(target, asked, error)
            _tell_only_owners(error, caller, route)
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            seconds = time.perf_counter() - started
            self._note(served, caller, outcome, seconds)
        return Predicted(payload, route.name, target.revision_id, target.number, seconds)

    async def stream(self, caller: Caller, asked: Asked) -> AsyncGenerator[Payload, None]:
        """Part by part what the model gives; a single part where it is no generator. Raises what `predict`
        does. Close it (`aclosing`) when nobody reads on."""
        route, target = await self._meant(caller, asked)
        served = await self._called(route, target)
        started, outcome = time.perf_counter(), "crashed"
        try:
            async with contextlib.aclosing(served.stream(asked)) as parts:
                async for part in parts:
                    yield part
            outcome = "ok"
        except AppError as error:
            outcome = error.code
            self._log_failure(target, asked, error)
            _tell_only_owners(error, caller, route)
            raise
        except (asyncio.CancelledError, GeneratorExit):
            outcome = "cancelled"
            raise
        finally:
            self._note(served, caller, outcome, time.perf_counter() - started)

    def status(self, revision_id: uuid.UUID) -> ServingStatus:
        served = self._served.get(revision_id)
        return served.status() if served else ServingStatus()

    async def drop(self, revision_id: uuid.UUID) -> None:
        """Let its calls end, for a while, then end its replicas; returns at once. Calls that come meanwhile
        wait until it can be started anew."""
        served = self._served.pop(revision_id, None)
        if served:
            served.metrics.unwatch()
            ending = asyncio.create_task(served.end())
            self._ending[revision_id] = ending
            ending.add_done_callback(lambda _: self._ending.pop(revision_id, None))

    @contextlib.asynccontextmanager
    async def trying(
        self, deployment_id: uuid.UUID, revision_id: uuid.UUID, tried: TriedFleet
    ) -> AsyncIterator[None]:
        """In the block a revision is tried and becomes ready. If that goes well, and calls go to it, it is
        awake from the first on, with the fleet it was tried with; else the fleet is ended."""
        self._ground.tried[revision_id] = tried
        try:
            yield
            route = await self._routes.find(str(deployment_id))
            for target in route.targets:
                if target.revision_id == revision_id and target.percent:
                    self._serve(route, target).wake()
        finally:
            if self._ground.tried.pop(revision_id, None):
                await tried.fleet.close()

    async def keep(self) -> None:
        """Upkeep, until it is cancelled: idle models sleep, those wanted awake are, replicas follow the calls
        that wait, use is written down."""
        await self._keeper.run()

    async def look_after(self) -> None:
        """What `keep` does again and again, once."""
        await self._keeper.look()

    async def write_use(self) -> None:
        """Have written down now what was used so far, and would be soon."""
        await self._keeper.write()

    async def close(self) -> None:
        """End all calls and, where replicas belong to this process, all of them."""
        endings = list(self._ending.values())
        for ending in endings:
            ending.cancel()
        await asyncio.gather(*endings, return_exceptions=True)
        for served in self._served.values():
            await served.let_go()
        self._served.clear()
        with contextlib.suppress(AppError):
            await self._keeper.write()
        await self._driver.close()

    async def _meant(self, caller: Caller, asked: Asked) -> tuple[Route, Target]:
        route = await self.find(caller, asked.name)
        if asked.revision is not None:
            return route, named(route, asked.revision)
        return route, self._traffic.choose(route)

    async def _called(self, route: Route, target: Target) -> Served:
        if ending := self._ending.get(target.revision_id):
            await asyncio.shield(ending)
        return self._serve(route, target)

    def _serve(self, route: Route, target: Target) -> Served:
        served = self._served.get(target.revision_id)
        if served is None:
            metrics = self.metrics.of(route.name, target.number)
            served = self._served[target.revision_id] = Served(route, target, self._ground, metrics)
        else:
            served.route, served.target = route, target
        return served

    def _log_failure(self, target: Target, asked: Asked, error: AppError) -> None:
        """What the model raised, among what it prints: answers hold the last line of it alone."""
        if isinstance(error, ModelFailed) and error.details:
            tell = self._ground.tell(target.revision_id)
            for line in error.details.splitlines():
                tell("stderr", line, asked.request_id)

    def _note(self, served: Served, caller: Caller, outcome: str, seconds: float) -> None:
        served.metrics.ended(outcome)
        served.metrics.seconds.observe(seconds)
        ids = served.route.deployment_id, served.target.revision_id
        self._meter.count(*ids, caller, seconds, failed=outcome != "ok")


def _tell_only_owners(error: AppError, caller: Caller, route: Route) -> None:
    """Tracebacks show code and data."""
    if caller.user_id != route.owner_id and isinstance(error, LoadFailed | ModelFailed | ModelUnhealthy):
        error.details = ""
