"""Where models run and their environments are: this machine, or a cluster."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from stentor_common.adapters import Adapter, resolve
from stentor_common.runtime import Runtime
from stentor_deploy.environments import Environment, Lock, Tell, Wanted
from stentor_deploy.running import Driver, Fleet, LogLine, RunSpec
from stentor_deploy.settings import DeploySettings

Known = Callable[[], Awaitable[Collection[str]]]
"""Ids of all revisions that there are."""


class Environments(Protocol):
    """What is asked of environments, wherever they are made."""

    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock:
        """Exact versions for what a package asks. Raises BuildFailed."""

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        """The environment, made if it is not there. Raises BuildFailed."""

    async def compile(self, environment: Environment, modules: Collection[str]) -> object:
        """Write the bytecode of modules, so that models start fast."""

    async def remove_unused(self, keys_in_use: Collection[str], older_than: timedelta) -> object:
        """Remove those that nobody names and that were last asked for before that time."""


@dataclass(frozen=True, slots=True)
class Opened:
    driver: Driver
    environments: Environments
    clear: Callable[[Known], Awaitable[object]] | None = None
    """Removes what is left of revisions that are gone."""


Open = Callable[[Runtime, DeploySettings, Path], Awaitable[Opened]]

PLACES = {
    "process": Adapter("stentor_deploy.running.local:open_local"),
    "kubernetes": Adapter("stentor_deploy.running.kubernetes.opening:open_cluster", extra="kubernetes"),
}
"""By the setting `driver`."""


class Place:
    """Stands for the driver and for environments, among parts that are made before the runtime is open."""

    def __init__(self, settings: DeploySettings, folder: Path, opened: Opened | None = None) -> None:
        self.name: str = settings.driver
        self._settings = settings
        self._folder = folder
        self._open: Open = resolve(PLACES, settings.driver) if opened is None else _given(opened)
        self._opened: Opened | None = None

    async def open(self, runtime: Runtime) -> None:
        """Raises Unavailable where models cannot run."""
        self._opened = await self._open(runtime, self._settings, self._folder)

    async def fleet(self, spec: RunSpec, tell: LogLine) -> Fleet:
        return await self._there.driver.fleet(spec, tell)

    async def close(self) -> None:
        if self._opened:
            await self._opened.driver.close()

    async def resolve(self, wanted: Wanted, tell: Tell) -> Lock:
        return await self._there.environments.resolve(wanted, tell)

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        return await self._there.environments.ensure(lock, tell)

    async def compile(self, environment: Environment, modules: Collection[str]) -> object:
        return await self._there.environments.compile(environment, modules)

    async def remove_unused(self, keys_in_use: Collection[str], older_than: timedelta) -> object:
        return await self._there.environments.remove_unused(keys_in_use, older_than)

    async def clear(self, known: Known) -> None:
        if self._there.clear:
            await self._there.clear(known)

    @property
    def _there(self) -> Opened:
        assert self._opened, "it is opened with the runtime"
        return self._opened


def _given(opened: Opened) -> Open:
    async def open_given(_runtime: Runtime, _settings: DeploySettings, _folder: Path) -> Opened:
        return opened

    return open_given
