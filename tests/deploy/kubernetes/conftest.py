"""A cluster on this machine, and gateways that run models in it."""

import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from stentor_common.store.local import LocalStore
from stentor_deploy.running import Limits, LogLine, RunSpec
from stentor_deploy.running.kubernetes.cluster import Cluster
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.running.kubernetes.permissions import PERMISSIONS
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_dev.cluster import LocalCluster
from stentor_dev.cluster.pods import Node

IMAGE = "registry.example/stentor:1"
MIB = 1024**2


@pytest.fixture
def images() -> set[str]:
    """What the cluster's registry has; tests may add to it while it runs."""
    return {IMAGE}


@pytest.fixture
async def local_cluster(images: set[str]) -> AsyncIterator[LocalCluster]:
    allowed = {resource.partition(".")[0]: set(verbs) for resource, verbs in PERMISSIONS.items()}
    async with LocalCluster("models", allowed, Node(images)) as started:
        yield started


@pytest.fixture
def kubernetes_settings() -> KubernetesSettings:
    return KubernetesSettings(
        namespace="models",
        image=IMAGE,
        gateway_namespace="stentor",
        poll_seconds=0.1,
        node_seconds=0.5,
        drain_seconds=5,
    )


@pytest.fixture
async def connect(local_cluster: LocalCluster) -> AsyncIterator[Callable[[], Cluster]]:
    """Opens a client of the API server, as a gateway's service account."""
    async with AsyncExitStack() as stack:

        def opened() -> Cluster:
            configuration = Configuration(
                host=local_cluster.url,
                api_key={"BearerToken": local_cluster.token},
                api_key_prefix={"BearerToken": "Bearer"},
            )
            cluster = Cluster(ApiClient(configuration), local_cluster.namespace)
            stack.push_async_callback(cluster.close)
            return cluster

        yield opened


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(store_folder: Path) -> LocalStore:
    return LocalStore(store_folder)


@pytest.fixture
async def gateway(
    connect: Callable[[], Cluster],
    kubernetes_settings: KubernetesSettings,
    store: LocalStore,
    store_folder: Path,
) -> AsyncIterator[Callable[[], KubernetesDriver]]:
    """Starts one more gateway on the cluster."""
    async with AsyncExitStack() as stack:

        def started() -> KubernetesDriver:
            driver = KubernetesDriver(connect(), kubernetes_settings, store, f"file:{store_folder}")
            stack.push_async_callback(driver.close)
            return driver

        yield started


@pytest.fixture(scope="session")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python without any packages."""
    folder = tmp_path_factory.mktemp("environment") / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def revision(tmp_path: Path, bare_environment: Path) -> Callable[..., RunSpec]:
    """A revision whose `model.py` has this source."""

    def made(source: str = "", **more: Any) -> RunSpec:
        name = str(uuid.uuid4())
        package = tmp_path / "packages" / name
        (package / "model").mkdir(parents=True)
        (package / "model" / "__init__.py").touch()
        (package / "model" / "model.py").write_text(source)
        given: dict[str, Any] = {
            "revision": name,
            "folder": package,
            "config": {"model_class_name": "Model"},
            "python": bare_environment / "bin" / "python",
            "environment": "e" * 64,
            "environment_folder": bare_environment,
            "limits": Limits(memory_bytes=256 * MIB, threads=1),
            "load_seconds": 20,
        }
        return RunSpec(**given | more)

    return made


@pytest.fixture
def printed() -> list[tuple[str, str]]:
    """Lines that models print, with the id of the request."""
    return []


@pytest.fixture
def tell(printed: list[tuple[str, str]]) -> LogLine:
    return lambda _stream, line, request_id: printed.append((line, request_id))
