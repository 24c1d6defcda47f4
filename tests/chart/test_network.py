"""Who reaches whom, by the rendered NetworkPolicies: in force between pods that only listen, on a node whose
rules are made of them."""

import errno
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stentor_deploy.running import Limits, RunSpec
from stentor_deploy.running.kubernetes.manifests import Manifests
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_dev import helm
from stentor_dev.paper import namespaces
from stentor_dev.paper.networks import Place
from stentor_dev.paper.node import METADATA, PRIVATE, PUBLIC, SERVERS, Address
from stentor_dev.paper.routed import Routed

pytestmark = pytest.mark.live

Object = dict[str, Any]
RELEASE, MODELS = "stentor", "stentor-models"
VALUES = {
    "secrets": {"existing": "servers"},
    "networkPolicy": {"apiServer": [f"{SERVERS}/32"]},
}
APIS = {"auth", "stt", "tts", "summarize", "pipelines", "deploy"}
WORKERS = {"worker-whisper", "worker-voices", "worker-summaries", "worker-pipelines", "worker-deploy"}
CALL_MODELS = {"deploy", "worker-deploy"}
GUESTS = {
    "controller": ("ingress-nginx", {"app": "controller"}),
    "prometheus": ("monitoring", {"app": "prometheus"}),
    "stranger": ("default", {"app.kubernetes.io/name": "stentor", "app.kubernetes.io/component": "test"}),
    "neighbour": (RELEASE, {"app": "neighbour"}),
}
"""Pods of others; the stranger has labels that mean something in another namespace only."""
OUTSIDE: Mapping[str, Address] = {
    "PostgreSQL": (SERVERS, 5432),
    "RabbitMQ": (SERVERS, 5672),
    "store": (SERVERS, 9000),
    "API server": (SERVERS, 6443),
    "metadata of the cloud": (METADATA, 80),
    "machine of the house": (PRIVATE, 443),
    "world": (PUBLIC, 443),
}
SERVERS_OF_ALL = {"PostgreSQL", "RabbitMQ", "store"}


class Ground:
    """Pods that listen, each with a name here."""

    def __init__(self, network: Routed, undo: ExitStack) -> None:
        self._undo, self._network = undo, network
        self.places: dict[str, Place] = {}

    def add(self, name: str, pod: Object, *ports: int) -> None:
        self.places[name] = self._network.join(pod)
        for port in ports or (8000,):
            self.listen((self.places[name].address, port))

    def listen(self, at: Address) -> None:
        self._undo.enter_context(self._network.node.bound(at)).listen()

    def reaches(self, who: str, to: Address) -> bool:
        """Raises OSError when something else than a policy is in the way: that nobody listens."""
        try:
            self._network.node.connected(self.places[who].address, to, 5).close()
        except OSError as error:
            if error.errno != errno.EHOSTUNREACH:
                raise
            return False
        return True

    def callers_of(self, whom: str, port: int = 8000) -> set[str]:
        to = (self.places[whom].address, port)
        return {who for who in self.places if who != whom and self.reaches(who, to)}

    def outside(self, who: str) -> set[str]:
        return {name for name, to in OUTSIDE.items() if self.reaches(who, to)}

    def says(self, who: str, *command: str) -> str:
        words = [*self.places[who].prefix, *command]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=20).stdout


def network_or_skip() -> Routed:
    if why := namespaces.missing():
        pytest.skip(why)
    return Routed()


@pytest.fixture(scope="module")
def network() -> Iterator[Routed]:
    with network_or_skip() as opened:
        yield opened


def pods_of(objects: list[Object]) -> dict[str, Object]:
    """By their names without the release's."""
    return {
        each["metadata"]["name"].removeprefix("stentor-"): in_namespace(each["spec"]["template"], RELEASE)
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet", "Job")
    }


def in_namespace(made: Object, namespace: str) -> Object:
    return {**made, "metadata": {"namespace": namespace, **made["metadata"]}}


def guest(namespace: str, labels: dict[str, str]) -> Object:
    return {"metadata": {"namespace": namespace, "labels": labels}, "spec": {}}


def put_in_force(network: Routed, objects: list[Object]) -> None:
    policies = [in_namespace(each, RELEASE) for each in objects if each["kind"] == "NetworkPolicy"]
    network.restrict("release", policies, [each for each in objects if each["kind"] == "Namespace"])


def model_policies(objects: list[Object], models: Mapping[str, Object], network: Routed) -> None:
    """As the deploy service makes them, being told what the chart tells it."""
    (container,) = pods_of(objects)["deploy"]["spec"]["containers"]
    with pytest.MonkeyPatch.context() as patch:
        for each in container["env"]:
            if "value" in each:
                patch.setenv(each["name"], each["value"])
        settings = KubernetesSettings()
    manifests = Manifests(settings, settings.gateway_namespace)
    made = [manifests.network_policy(spec(name, network=name == "online-model")) for name in models]
    network.restrict("models", [in_namespace(each, MODELS) for each in (*made, manifests.build_policy())])


def spec(revision: str, *, network: bool) -> RunSpec:
    nowhere = Path("/nowhere")
    limits = Limits(memory_bytes=1, threads=1)
    return RunSpec(revision, nowhere, {}, nowhere, "", nowhere, limits, network=network)


MODEL_PODS = {
    name: guest(MODELS, Manifests(KubernetesSettings(), RELEASE).of_revision(name))
    for name in ("model", "other-model", "online-model")
}


@pytest.fixture(scope="module")
def ground(network: Routed) -> Iterator[Ground]:
    """The chart with what it does by default, models of users, guests, and everything outside."""
    objects = helm.render(values=VALUES)
    with ExitStack() as undo:
        made = Ground(network, undo)
        for name, pod in pods_of(objects).items():
            made.add(name, pod)
        for name, (namespace, labels) in GUESTS.items():
            made.add(name, guest(namespace, labels))
        for name, pod in MODEL_PODS.items():
            made.add(name, pod)
        made.add("build", guest(MODELS, Manifests(KubernetesSettings(), RELEASE).labels("build")))
        made.add("lost-model", guest(MODELS, {"app": "lost"}))
        # As k8s/operators puts them, in the release's namespace and without policies.
        for name, port in (("own-postgres", 5432), ("own-broker", 5672), ("own-store", 9000)):
            made.add(name, guest(RELEASE, {"app": name}), port)
        for at in OUTSIDE.values():
            made.listen(at)
        put_in_force(network, objects)
        model_policies(objects, MODEL_PODS, network)
        yield made


def test_apis_are_called_by_the_ingress_by_prometheus_and_by_the_test_of_the_release(ground: Ground) -> None:
    from_outside = {"controller", "prometheus", "test"}
    for api in APIS - {"auth"}:
        assert ground.callers_of(api) == from_outside, api
    assert ground.callers_of("auth") == from_outside | APIS - {"auth"}


def test_workers_are_called_by_prometheus_alone(ground: Ground) -> None:
    for worker in WORKERS:
        assert ground.callers_of(worker) == {"prometheus"}, worker


def test_only_the_port_that_a_pod_names_is_open(ground: Ground) -> None:
    for name in ("stt", "worker-whisper"):
        ground.listen((ground.places[name].address, 9100))
        assert ground.callers_of(name, 9100) == set()


def test_jobs_are_called_by_nobody(ground: Ground) -> None:
    assert ground.callers_of("migrate") == set()
    assert ground.callers_of("test") == set()


def test_the_product_reaches_its_servers_and_the_world_and_nothing_else_that_is_private(
    ground: Ground,
) -> None:
    everybody = APIS | WORKERS | {"migrate"}
    for name in everybody - CALL_MODELS:
        assert ground.outside(name) == SERVERS_OF_ALL | {"world"}, name
    for name in CALL_MODELS:
        assert ground.outside(name) == SERVERS_OF_ALL | {"world", "API server"}, name


def test_models_are_called_by_what_serves_them(ground: Ground) -> None:
    for name in MODEL_PODS:
        assert ground.callers_of(name) == CALL_MODELS, name


def test_models_reach_the_store_and_neither_database_nor_broker(ground: Ground) -> None:
    assert "model" in ground.callers_of("own-store", 9000)
    for server, port in (("own-postgres", 5432), ("own-broker", 5672)):
        assert not set(MODEL_PODS) & ground.callers_of(server, port), server
    assert ground.outside("model") == set()


def test_a_model_that_may_use_the_network_reaches_the_world_alone(ground: Ground) -> None:
    assert ground.outside("online-model") == {"world"}


def test_an_environment_is_made_with_whatever_has_an_address_but_not_with_what_clouds_tell(
    ground: Ground,
) -> None:
    """Its packages may come from anywhere."""
    assert ground.callers_of("build") == set()
    assert ground.outside("build") == OUTSIDE.keys() - {"metadata of the cloud"}
    assert "build" in ground.callers_of("own-store", 9000)


def test_a_pod_beside_the_models_without_a_policy_is_cut_off(ground: Ground) -> None:
    assert ground.callers_of("lost-model") == set()
    assert ground.outside("lost-model") == set()


@pytest.mark.parametrize("who", ["stt", "worker-whisper", "migrate", "test", "model", "build"])
def test_names_are_found_by_everybody(ground: Ground, who: str) -> None:
    assert ground.says(who, "getent", "hosts", "servers.example.com").split()[0] == SERVERS


def test_a_service_is_the_pods_behind_it_and_policies_see_through(network: Routed, ground: Ground) -> None:
    (service,) = [
        in_namespace(each, RELEASE)
        for each in helm.render(values=VALUES)
        if (each["kind"], each["metadata"]["name"]) == ("Service", "stentor-auth")
    ]
    network.add_service(service)
    address = ground.says("stt", "getent", "hosts", "stentor-auth").split()[0]
    with pytest.raises(ConnectionRefusedError):
        network.node.connected(ground.places["stt"].address, (address, 8000), 5)
    network.serve({"stentor-auth": [ground.places["auth"]]})
    assert ground.reaches("stt", (address, 8000))
    assert not ground.reaches("worker-whisper", (address, 8000))


def test_servers_for_trials_are_for_the_product_and_the_store_for_models_too() -> None:
    objects = helm.render(values={"devServers": {"enabled": True}})
    ports = {"postgres": 5432, "rabbitmq": 5672, "minio": 9000}
    with ExitStack() as undo:
        network = undo.enter_context(network_or_skip())
        made = Ground(network, undo)
        for name, pod in pods_of(objects).items():
            if name in ports:
                made.add(name, pod, ports[name], 15672)
            elif name in ("stt", "worker-whisper"):
                made.add(name, pod)
        made.add("model", MODEL_PODS["model"])
        made.add("keda", guest("keda", {}))
        put_in_force(network, objects)
        model_policies(objects, MODEL_PODS, network)
        for name, port in ports.items():
            models = {"model"} if name == "minio" else set()
            assert made.callers_of(name, port) == {"stt", "worker-whisper"} | models, name
        assert made.callers_of("rabbitmq", 15672) == {"keda"}
