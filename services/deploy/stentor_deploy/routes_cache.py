"""What is deployed, kept in memory: calls must not wait for a database."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

import structlog

from stentor_deploy.ground import Ground
from stentor_deploy.packages import Package
from stentor_deploy.repository import DeploymentRepository, RevisionRepository
from stentor_deploy.routing import Route, Target
from stentor_deploy.settings import DeploySettings
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision
from stentor_deploy.trials import Trial
from stentor_deploy.tuning import Tuning

LOOK_SECONDS = 1
"""How old what is known may be."""

DEPLOYMENTS_CHANGED = uuid.UUID("6465706c-6f79-4000-8000-000000000000")
"""A change of any deployment is announced under this id, like that of a job."""

Drop = Callable[[uuid.UUID], Coroutine[Any, Any, None]]

log = structlog.get_logger()


class RoutesCache:
    """The routes of all deployments. `keep` must run for it to hear of changes by other processes."""

    def __init__(self, ground: Ground, settings: DeploySettings) -> None:
        self._ground = ground
        self._settings = settings
        self._changed: dict[uuid.UUID, uuid.UUID] = {}
        self._routes: dict[uuid.UUID, Route] = {}
        self._names: dict[str, Route] = {}
        self._secrets: dict[uuid.UUID, str] = {}
        self._turn = asyncio.Lock()
        self._dropping: set[asyncio.Task[None]] = set()

    def known(self, name: str) -> Route | None:
        route = self._names.get(name)
        # One without a target may have got its first a moment ago.
        return route if route and route.targets else None

    async def find(self, name: str) -> Route:
        if route := self.known(name):
            return route
        async with self._ground.runtime.db.reading() as session:
            deployment = await DeploymentRepository(session).find(name)
            revisions = RevisionRepository(session)
            ready = await revisions.ready([deployment.id])
            newest = (await revisions.newest([deployment.id])).get(deployment.id)
        return route_of(deployment, ready, newest, self._settings)

    async def kept(self) -> Sequence[Route]:
        return [route for route in self._routes.values() if route.min_replicas > 0]

    async def refresh(self, drop: Drop | None = None) -> None:
        """Look what has changed. `drop` is told revisions that are no more, or have other secrets now."""
        async with self._turn:
            outdated = await self._look()
        for revision_id in outdated if drop else ():
            assert drop
            # Calls that are under way may take their time; what is new must be heard meanwhile.
            task = asyncio.create_task(drop(revision_id))
            self._dropping.add(task)
            task.add_done_callback(self._dropping.discard)

    async def know(self, revisions: Iterable[Revision]) -> None:
        """Whoever was shown that these are ready will find them so: look again if one is new here."""
        for revision in revisions:
            route = self._routes.get(revision.deployment_id)
            if revision.state == RevisionState.ready and (route is None or revision.id not in _ids(route)):
                await self.refresh()
                return

    async def keep(self, drop: Drop) -> None:
        """Until cancelled."""
        runtime = self._ground.runtime
        with runtime.signals.subscribe(DEPLOYMENTS_CHANGED) as changed:
            while True:
                try:
                    await self.refresh(drop)
                except Exception:
                    # What is known stays; a database that is away comes back.
                    log.exception("routes could not be refreshed")
                await changed.wait(LOOK_SECONDS)

    async def _look(self) -> set[uuid.UUID]:
        async with self._ground.runtime.db.reading() as session:
            deployments = DeploymentRepository(session)
            now = await deployments.changes()
            new = [each for each, changed in now.items() if self._changed.get(each) != changed]
            found = await deployments.of_ids(new) if new else []
            ready = await RevisionRepository(session).ready(new) if new else []
            newest = await RevisionRepository(session).newest(new) if new else {}
        outdated: set[uuid.UUID] = set()
        for gone in self._changed.keys() - now.keys():
            outdated |= self._forget(gone)
        for deployment in found:
            mine = [each for each in ready if each.deployment_id == deployment.id]
            route = route_of(deployment, mine, newest.get(deployment.id), self._settings)
            outdated |= self._take(deployment, route)
        return outdated

    def _take(self, deployment: Deployment, route: Route) -> set[uuid.UUID]:
        """Targets of before that must not be called as they run now."""
        before = self._routes.get(deployment.id)
        secrets = Tuning.of(deployment).secrets_version
        others = self._secrets.get(deployment.id) != secrets
        self._changed[deployment.id] = deployment.changed
        self._secrets[deployment.id] = secrets
        self._routes[deployment.id] = self._names[route.name] = self._names[str(route.deployment_id)] = route
        if before is None:
            return set()
        kept = set() if others else _ids(route)
        return _ids(before) - kept

    def _forget(self, deployment_id: uuid.UUID) -> set[uuid.UUID]:
        del self._changed[deployment_id]
        self._secrets.pop(deployment_id, None)
        route = self._routes.pop(deployment_id, None)
        if route is None:
            return set()
        self._names.pop(str(deployment_id), None)
        if self._names.get(route.name) is route:
            del self._names[route.name]
        return _ids(route)


def _ids(route: Route) -> set[uuid.UUID]:
    return {target.revision_id for target in route.targets}


def route_of(
    deployment: Deployment, ready: Iterable[Revision], newest: Revision | None, settings: DeploySettings
) -> Route:
    """A deployment as calls see it; `ready` are its revisions that can be called."""
    revisions = list(ready)
    packages = {each.number: Package.model_validate(each.package) for each in revisions}
    tuning = Tuning.of(deployment)
    serving = [packages[number] for number in packages if deployment.traffic.get(str(number))]
    return Route(
        deployment_id=deployment.id,
        name=deployment.name,
        owner_id=deployment.owner_id,
        public=deployment.public,
        targets=tuple(_target(each, packages[each.number], deployment.traffic) for each in revisions),
        seconds=_seconds(tuning, serving, settings),
        min_replicas=tuning.min_replicas or 0,
        max_replicas=_most_replicas(tuning, serving, settings),
        idle_seconds=tuning.idle_seconds or settings.idle_seconds,
        state=str(newest.state) if newest else "",
    )


def _target(revision: Revision, package: Package, traffic: Mapping[str, int]) -> Target:
    trial = Trial.model_validate(revision.trial)
    return Target(
        revision_id=revision.id,
        number=revision.number,
        percent=traffic.get(str(revision.number), 0),
        batch=trial.batch,
        concurrency=package.concurrency,
        streams=trial.streams,
    )


def _seconds(tuning: Tuning, serving: Sequence[Package], settings: DeploySettings) -> float:
    said = [package.predict_seconds for package in serving if package.predict_seconds]
    wanted = tuning.predict_seconds or max(said, default=settings.predict_seconds)
    return min(wanted, settings.max_predict_seconds)


def _most_replicas(tuning: Tuning, serving: Sequence[Package], settings: DeploySettings) -> int:
    said = max((package.replicas for package in serving), default=1)
    wanted = tuning.max_replicas or max(said, tuning.min_replicas or 0, 1)
    return min(wanted, settings.max_replicas)
