"""Environments made by Jobs of a cluster, whose commands run for real."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from stentor_common.errors import Unavailable
from stentor_common.store.local import LocalStore
from stentor_deploy.delivery import environment_key, publish, stored
from stentor_deploy.environments import Lock, Wanted
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.errors import BuildFailed
from stentor_deploy.running import LogLine, Payload, RunSpec
from stentor_deploy.running.kubernetes.building import ClusterEnvironments
from stentor_deploy.running.kubernetes.cluster import JOB, SECRET
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.settings import DeploySettings
from stentor_dev.cluster import LocalCluster

LOCK = Lock(python="3.11", platform="linux", lines=(), key="a" * 64)
MODEL = "class Model:\n    def predict(self, asked):\n        return [2 * one for one in asked]\n"


@pytest.fixture
def settings(tmp_path: Path) -> DeploySettings:
    index = tmp_path / "index"
    index.mkdir()
    return DeploySettings(index_url=index.as_uri(), build_seconds=60)


@pytest.fixture
async def driver(gateway: Callable[[], KubernetesDriver]) -> KubernetesDriver:
    return gateway()


@pytest.fixture
def environments(
    driver: KubernetesDriver, store: LocalStore, store_folder: Path, settings: DeploySettings, tmp_path: Path
) -> ClusterEnvironments:
    local = Environments(tmp_path / "environments", EnvironmentRules.of(settings))
    return ClusterEnvironments(driver, store, f"file:{store_folder}", settings, local)


@pytest.fixture
def said() -> list[str]:
    return []


def a_lock(lock: Lock, line: str) -> Lock:
    return lock.model_copy(update={"lines": (line,), "key": "f" * 64})


@pytest.mark.live
async def test_an_environment_is_made_once_and_models_run_in_it(
    environments: ClusterEnvironments,
    driver: KubernetesDriver,
    revision: Callable[..., RunSpec],
    said: list[str],
    tell: LogLine,
    local_cluster: LocalCluster,
) -> None:
    lock = await environments.resolve(Wanted(()), said.append)
    first, second = await asyncio.gather(
        environments.ensure(lock, said.append), environments.ensure(lock, said.append)
    )
    assert first == second
    assert local_cluster.requests.count(("create", "jobs")) <= 2
    assert await environments.known() == [first]

    spec = revision(MODEL, environment=first.key, environment_folder=first.folder, python=first.python)
    fleet = await driver.fleet(spec, tell)
    await fleet.scale(1)
    async with asyncio.timeout(30):
        while not fleet.ready:
            await fleet.changed()
    answer = await fleet.ready[0].predict(Payload(b"[1]"), seconds=10)
    assert json.loads(answer.body) == [2]


@pytest.mark.live
async def test_a_requirement_that_cannot_be_had_is_told_as_when_built_here(
    environments: ClusterEnvironments, driver: KubernetesDriver, said: list[str]
) -> None:
    lock = a_lock(await environments.resolve(Wanted(()), said.append), "no-such-thing==1.0")
    with pytest.raises(BuildFailed, match="no-such-thing"):
        await environments.ensure(lock, said.append)
    assert any("no-such-thing" in line for line in said)
    # Nothing is left of it: the next attempt begins anew.
    name = f"build-{lock.key[:40]}"
    assert await driver.cluster.read(JOB, name) is None
    assert await driver.cluster.read(SECRET, name) is None


async def test_environments_that_nobody_uses_are_removed(
    environments: ClusterEnvironments, store: LocalStore, bare_environment: Path
) -> None:
    await publish(store, environment_key(LOCK.key), bare_environment)
    made = await environments.ensure(LOCK, lambda _line: None)
    assert await environments.remove_unused([made.key], timedelta(0)) == []
    assert await environments.remove_unused([], timedelta(days=1)) == []
    assert await environments.remove_unused([], timedelta(0)) == [made.key]
    assert not await stored(store, environment_key(made.key))
    assert await environments.known() == []


async def test_a_build_that_takes_too_long_says_what_it_waited_for(
    environments: ClusterEnvironments, images: set[str], said: list[str], local_cluster: LocalCluster
) -> None:
    images.clear()
    waiting = asyncio.create_task(environments.ensure(LOCK, said.append))
    async with asyncio.timeout(10):
        while not said:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # As clusters say it once `activeDeadlineSeconds` are over.
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "was active longer"}
    local_cluster.objects.status("jobs", "models", f"build-{LOCK.key[:40]}", conditions=[late])
    with pytest.raises(Unavailable, match=r"was not made within 660 seconds: the image .* cannot be had"):
        await waiting
    assert "registry.example/stentor:1 cannot be had (ErrImagePull)" in said[0]


async def test_a_build_that_nobody_waits_for_any_more_is_ended(
    environments: ClusterEnvironments, driver: KubernetesDriver, images: set[str], local_cluster: LocalCluster
) -> None:
    images.clear()
    waiting = asyncio.create_task(environments.ensure(LOCK, lambda _line: None))
    async with asyncio.timeout(10):
        while not local_cluster.pods():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await driver.cluster.read(JOB, f"build-{LOCK.key[:40]}") is None


async def test_files_that_are_nowhere_are_missed_before_a_pod_is_asked_for(
    driver: KubernetesDriver, revision: Callable[..., RunSpec], tell: LogLine, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="gone from the object store"):
        await driver.fleet(revision(MODEL, environment_folder=tmp_path / "nowhere"), tell)
