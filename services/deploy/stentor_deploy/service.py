"""Puts model deployment together: settings in, routes, handlers and upkeep out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stentor_common.jobs import deferred_api
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_common.sweep import Sweep
from stentor_deploy import api, predictions, revisions, views
from stentor_deploy.building import Workshop
from stentor_deploy.contracts import slashml
from stentor_deploy.contracts.together import Contracts, open_contracts
from stentor_deploy.ground import Ground
from stentor_deploy.jobs import BuildHandler, PredictHandler, keep_tidy, settle
from stentor_deploy.logs import LogBook
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.place import Opened, Place
from stentor_deploy.routes_cache import RoutesCache
from stentor_deploy.run_specs import RunSpecs
from stentor_deploy.serving.front import PredictFront
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.usage import UsageLedger

SETTLE_SECONDS = 5


def build_service(settings: Settings, own: DeploySettings, opened: Opened | None = None) -> Service:
    """Models run where `own.driver` says; `opened` is another place, for those who bring one.

    Raises MissingExtra when what that place needs is not installed.
    """
    folder = folder_of(settings, own)
    ground, logs = Ground(), LogBook(own.log_lines)
    files, place = PackageFiles(folder / "packages"), Place(own, folder, opened)
    routes, specs = RoutesCache(ground, own), RunSpecs(ground, own, files, place)
    gateway = Gateway(routes, specs, place, own, logs.runner, UsageLedger(ground))
    workshop = Workshop(own, files, place, specs, logs, routes, gateway)
    contracts = open_contracts(own)
    answers = {predictions.KIND: contracts.answer}
    parts = Parts(ground, place, files, routes, gateway, logs, contracts)
    return Service(
        name="deploy",
        settings=own,
        routers=[*api.ROUTERS, slashml.router, *contracts.routers],
        file_routers=api.FILE_ROUTERS,
        raw_routers=[*api.RAW_ROUTERS, slashml.raw_router, *contracts.raw_routers],
        fronts=[PredictFront(gateway, own.max_body_bytes)],
        handlers={revisions.KIND: BuildHandler(workshop), predictions.KIND: PredictHandler(gateway)},
        queues={revisions.QUEUE: own.builds_at_once, predictions.QUEUE: own.predictions_at_once},
        error_styles={**contracts.error_styles, **slashml.ERROR_STYLES},
        callbacks={**contracts.callbacks, **views.CALLBACKS},
        answers=answers,
        desk=deferred_api.desk(answers),
        sweeps=[Sweep("deploy-builds", SETTLE_SECONDS, settle)],
        resources=[gateway, routes, files, *contracts.resources],
        beside=partial(accompany, parts),
    )


@dataclass(frozen=True, slots=True)
class Parts:
    """What lives as long as the runtime does."""

    ground: Ground
    place: Place
    files: PackageFiles
    routes: RoutesCache
    gateway: Gateway
    logs: LogBook
    contracts: Contracts


@asynccontextmanager
async def accompany(parts: Parts, runtime: Runtime) -> AsyncIterator[None]:
    """While the block lasts models can run here. Raises Unavailable where they cannot."""
    gateway, routes, logs = parts.gateway, parts.routes, parts.logs
    parts.ground.lay(runtime)
    gateway.metrics.register(runtime.metrics.registry)
    await parts.place.open(runtime)
    await routes.refresh()
    tasks = [
        asyncio.create_task(routes.keep(gateway.drop), name="routes of models"),
        asyncio.create_task(logs.keep_writing(runtime), name="logs of models"),
        asyncio.create_task(gateway.keep(), name="upkeep of models"),
        asyncio.create_task(keep_tidy(runtime, parts.files, parts.place), name="leftovers of models"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await gateway.close()
        await parts.contracts.close()
        await logs.write_last(runtime)


def folder_of(settings: Settings, own: DeploySettings) -> Path:
    """For environments, unpacked packages and sockets."""
    return (own.folder or settings.data_dir / "deploy").absolute()
