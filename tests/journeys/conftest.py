"""Deployed models for the journeys of contracts that call them: functions of this process behind the real
gateway, with real rows, routes, jobs and accounts."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stentor_auth.parts import AuthParts
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.settings import Settings
from stentor_deploy import predictions
from stentor_deploy.contracts import together
from stentor_deploy.ground import Ground
from stentor_deploy.jobs import PredictHandler
from stentor_deploy.packages import Format, Package
from stentor_deploy.place import Opened
from stentor_deploy.routes_cache import RoutesCache
from stentor_deploy.serving.gateway import Gateway
from stentor_deploy.settings import DeploySettings
from stentor_deploy.states import RevisionState
from stentor_deploy.tables import Deployment, Revision
from stentor_deploy.testing import AnySpecs, FunctionDriver, Model, no_lines
from stentor_deploy.testing_place import place
from stentor_deploy.trials import Example, Trial

NOBODY = uuid.UUID(int=1)
"""An owner who never calls."""


class Deployed:
    """Models that a test has deployed."""

    def __init__(self, runtime: Runtime, settings: DeploySettings) -> None:
        self.runtime, self.settings = runtime, settings
        self.driver = FunctionDriver()
        ground = Ground()
        ground.lay(runtime)
        self.gateway = Gateway(RoutesCache(ground, settings), AnySpecs(), self.driver, settings, no_lines)

    async def add(
        self,
        name: str,
        model: Model,
        *more: Model,
        owner: uuid.UUID = NOBODY,
        package: dict[str, Any] | None = None,
        trial: dict[str, Any] | None = None,
    ) -> list[uuid.UUID]:
        """Deploy a model, and further revisions of it; calls go to the last one. Returns their ids."""
        models = [model, *more]
        deployment = self._deployment(name, owner, {str(len(models)): 100})
        revisions = [
            self._revision(deployment, number, package or {}, trial or {})
            for number in range(1, len(models) + 1)
        ]
        async with self.runtime.begin() as work:
            work.session.add(deployment)
            await work.session.flush()
            work.session.add_all(revisions)
        for revision, function in zip(revisions, models, strict=True):
            self.driver.models[str(revision.id)] = function
        return [revision.id for revision in revisions]

    async def announce(self, name: str, state: RevisionState, owner: uuid.UUID = NOBODY) -> None:
        """A deployment without a revision that can be called."""
        deployment = self._deployment(name, owner, {})
        revision = self._revision(deployment, 1, {}, {})
        revision.state, revision.ready_at = state, None
        async with self.runtime.begin() as work:
            work.session.add(deployment)
            await work.session.flush()
            work.session.add(revision)

    def _deployment(self, name: str, owner: uuid.UUID, traffic: dict[str, int]) -> Deployment:
        now = self.runtime.clock.now()
        return Deployment(
            id=uuid.uuid4(),
            name=name,
            owner_id=owner,
            public=owner == NOBODY,
            traffic=traffic,
            traffic_before={},
            settings={},
            changed=uuid.uuid4(),
            created_at=now,
            updated_at=now,
        )

    def _revision(
        self, deployment: Deployment, number: int, package: dict[str, Any], trial: dict[str, Any]
    ) -> Revision:
        now = self.runtime.clock.now()
        read = Package(**({"format": Format.folder, "config": {}} | package))
        examples = tuple(
            Example(input=asked, output=given)
            for asked, given in zip(read.examples, read.expected, strict=False)
        )
        tried = Trial(**({"examples": examples} | trial))
        return Revision(
            id=uuid.uuid4(),
            deployment_id=deployment.id,
            number=number,
            state=RevisionState.ready,
            source={},
            package=read.model_dump(mode="json"),
            trial=tried.model_dump(mode="json"),
            created_at=now,
            updated_at=now,
            ready_at=now,
        )


@pytest.fixture
def deploy_settings() -> DeploySettings:
    """Tests replace it."""
    return DeploySettings()


@pytest.fixture
async def deployed(runtime: Runtime, deploy_settings: DeploySettings) -> AsyncIterator[Deployed]:
    made = Deployed(runtime, deploy_settings)
    yield made
    await made.gateway.close()


@pytest.fixture
def model_services(deployed: Deployed, auth_parts: AuthParts) -> list[Service]:
    """Accounts, and the contracts by which deployed models are called."""
    from stentor_auth.service import build_service as build_auth

    contracts = together.open_contracts(deployed.settings)
    service = Service(
        name="deploy",
        settings=deployed.settings,
        routers=contracts.routers,
        raw_routers=contracts.raw_routers,
        handlers={predictions.KIND: PredictHandler(deployed.gateway)},
        queues={predictions.QUEUE: 4},
        error_styles=contracts.error_styles,
        callbacks=contracts.callbacks,
        answers={predictions.KIND: contracts.answer},
        resources=[deployed.gateway, *contracts.resources],
        close=contracts.close,
    )
    return [build_auth(auth_parts), service]


@pytest.fixture
def installed_settings() -> DeploySettings:
    """Of `installed`; tests replace it."""
    return DeploySettings()


@pytest.fixture
def opened() -> Opened:
    """Where the models of `installed` run: their code is that of their packages, run by this process."""
    return place()


@pytest.fixture
def installed(
    settings: Settings, installed_settings: DeploySettings, opened: Opened, auth_parts: AuthParts
) -> list[Service]:
    """Accounts, and the whole of deployments."""
    from stentor_auth.service import build_service as build_auth
    from stentor_deploy.service import build_service as build_deploy

    return [build_auth(auth_parts), build_deploy(settings, installed_settings, opened)]
