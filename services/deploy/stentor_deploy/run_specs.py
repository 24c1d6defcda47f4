"""What a revision needs to run, brought to this machine: its files, its environment, its secrets."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from stentor_common.errors import Unavailable
from stentor_deploy.environments import Environment, Lock, Tell
from stentor_deploy.ground import Ground
from stentor_deploy.package_files import PackageFiles
from stentor_deploy.packages import Package
from stentor_deploy.repository import RevisionRepository
from stentor_deploy.running import Limits, RunSpec
from stentor_deploy.secrets import SecretRepository
from stentor_deploy.settings import MIB, DeploySettings
from stentor_deploy.sources import Source
from stentor_deploy.tables import Revision


class EnvironmentSource(Protocol):
    """What is asked of environments to run a revision."""

    async def ensure(self, lock: Lock, tell: Tell) -> Environment:
        """The environment, made if it is not there. Raises BuildFailed."""


class RunSpecs:
    """Implements `routing.Specs`."""

    def __init__(
        self, ground: Ground, settings: DeploySettings, files: PackageFiles, environments: EnvironmentSource
    ) -> None:
        self._ground = ground
        self._settings = settings
        self._files = files
        self._environments = environments

    async def spec(self, revision_id: uuid.UUID) -> RunSpec:
        runtime = self._ground.runtime
        async with runtime.db.reading() as session:
            revision = await RevisionRepository(session).get(revision_id)
            secrets = await SecretRepository(session, runtime.sealer).opened(revision.deployment_id)
        if revision.package is None or revision.lock is None:
            raise Unavailable(f"revision {revision.number} is not built yet")
        environment = await self._environments.ensure(Lock.model_validate(revision.lock), _silent)
        folder = await self._files.here(runtime.store, revision_id)
        return self.of(revision, folder, environment, secrets)

    def of(
        self, revision: Revision, folder: Path, environment: Environment, secrets: Mapping[str, str]
    ) -> RunSpec:
        """The same of parts that are here already."""
        package = Package.model_validate(revision.package)
        source = Source.model_validate(revision.source)
        return RunSpec(
            revision=str(revision.id),
            folder=folder,
            config=package.config,
            python=environment.python,
            environment=environment.key,
            environment_folder=environment.folder,
            limits=limits_of(package, self._settings),
            secrets={name: secrets[name] for name in package.secrets if name in secrets},
            variables=package.variables,
            network=source.network and self._settings.allow_network,
            gpu=package.resources.gpu,
            gpus=package.resources.gpus,
            concurrency=package.concurrency,
            load_seconds=self._settings.load_seconds,
        )


def limits_of(package: Package, settings: DeploySettings) -> Limits:
    resources = package.resources
    threads = max(1, round(resources.cpus)) if resources.cpus else os.cpu_count() or 1
    return Limits(
        memory_bytes=max(resources.memory_bytes or 0, settings.memory_mib * MIB),
        threads=min(threads, os.cpu_count() or 1),
        answer_bytes=settings.max_answer_bytes,
    )


def _silent(_line: str) -> None:
    """A log that nobody reads: it was told when the revision was built."""
