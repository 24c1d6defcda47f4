"""A cluster on paper for each file of tests here.

A file that wants other values has a fixture `objects` of its own; one that wants several clusters asks for
`start_cluster`.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.jwt import generate_pem
from stentor_dev import helm
from stentor_dev.cluster.pods import Node
from stentor_dev.cluster.server import LocalCluster
from stentor_dev.paper.calls import secret_of
from stentor_dev.paper.cluster import PaperCluster, network_of_this_machine
from stentor_dev.paper.networks import Loopback, Network
from stentor_dev.paper.node import SERVERS
from stentor_dev.paper.pod import Given
from stentor_dev.patience import eventually
from stentor_dev.servers import Servers

Object = dict[str, Any]
Values = Callable[..., dict[str, Any]]
STORE = {"to": [{"ipBlock": {"cidr": f"{SERVERS}/32"}}], "ports": [{"port": 9000, "protocol": "TCP"}]}
"""Where models' files are, for their pods."""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is heard, and how fast."""
    path = tmp_path_factory.mktemp("paper") / "script.json"
    path.write_text(json.dumps({"texts": ["Hello world."], "seconds_per_audio_second": 0.3}))
    return path


@pytest.fixture(scope="module")
def values(script: Path) -> Values:
    """Speech to text by a script, twice of everything that matters, and models of users; what the function is
    given are settings of speech to text."""

    def made(**settings: Any) -> dict[str, Any]:
        return {
            "secrets": {"existing": "servers"},
            "drainSeconds": 1,
            "settings": {
                "STENTOR_LEASE_SECONDS": 3,
                "STENTOR_HEARTBEAT_SECONDS": 0.3,
                "STENTOR_SWEEP_SECONDS": 0.3,
                "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": 0,
                "STENTOR_STT_ENGINE": "scripted",
            },
            "services": {
                "auth": {"replicas": 1},
                "stt": {"models": [str(script)], "settings": settings},
                "tts": {"enabled": False},
                "summarize": {"enabled": False},
                "pipelines": {"enabled": False},
                "deploy": {"replicas": 1},
            },
            "models": {"egress": [STORE]},
            "pools": {
                "whisper": {"replicas": 2, "shutdownSeconds": 5, "settings": {"STENTOR_STT_JOBS_AT_ONCE": 2}}
            },
        }

    return made


@pytest.fixture(scope="module")
def objects(values: Values) -> list[Object]:
    return helm.render(values=values())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    with network_of_this_machine(tmp_path_factory.mktemp("network")) as opened:
        yield opened


@pytest.fixture(scope="module")
def api_server(objects: list[Object], network: Network) -> Iterator[LocalCluster]:
    """Runs pods of models, and allows what the chart's Role does."""
    (role,) = [each for each in objects if each["kind"] == "Role"]
    rules = [(resource, rule) for rule in role["rules"] for resource in rule["resources"]]
    allowed = {resource: set(rule["verbs"]) for resource, rule in rules}
    own = None if isinstance(network, Loopback) else network
    node = Node({"ghcr.io/stentor/stentor-deploy:0.1.0"}, network=own)
    with asyncio.Runner() as runner:
        made = LocalCluster(role["metadata"]["namespace"], allowed, node)
        runner.run(made.__aenter__())
        turning = threading.Thread(target=runner.get_loop().run_forever)
        turning.start()
        yield made
        runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
        turning.join()
        runner.run(made.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def kubeconfig(api_server: LocalCluster, network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("credentials") / "config"
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "paper", "cluster": {"server": network.server(api_server.url, 6443)}}],
        "users": [{"name": "deploy", "user": {"token": api_server.token}}],
        "contexts": [{"name": "paper", "context": {"cluster": "paper", "user": "deploy"}}],
        "current-context": "paper",
    }
    path.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="module")
def secret(servers: Servers) -> dict[str, str]:
    """What the values' secret holds."""
    return secret_of(servers, generate_pem())


StartCluster = Callable[..., PaperCluster]


@pytest.fixture(scope="module")
def start_cluster(
    secret: dict[str, str], network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartCluster]:
    """`start_cluster(objects, kubeconfig=None)`: a cluster whose pods are ready; it ends with the file."""
    with ExitStack() as undo:

        def started(objects: list[Object], kubeconfig: Path | None = None) -> PaperCluster:
            given = Given(secret, kubeconfig, network)
            made = PaperCluster(tmp_path_factory.mktemp("cluster"), objects, given)
            undo.enter_context(made)
            eventually(
                lambda: all(pod.answers("readinessProbe") for pods in made.pods.values() for pod in pods)
            )
            return made

        yield started


@pytest.fixture(scope="module")
def cluster(start_cluster: StartCluster, objects: list[Object], kubeconfig: Path) -> PaperCluster:
    return start_cluster(objects, kubeconfig)


@pytest.fixture
def client(cluster: PaperCluster) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=cluster.url, timeout=30) as opened:
        yield opened
