"""Rendered Deployments, Jobs and an Ingress as processes of this machine."""

import itertools
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stentor_dev.nginx import Nginx, manners_of
from stentor_dev.paper import namespaces
from stentor_dev.paper.networks import Loopback, Network
from stentor_dev.paper.pod import Given, Pod
from stentor_dev.paper.routed import Routed

Object = dict[str, Any]

NAMESPACE = "stentor"
"""That of the release."""
CONTROLLER: Object = {
    "metadata": {"name": "controller", "namespace": "ingress-nginx"},
    "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 80}]}]},
}
"""The Ingress controller's pod."""


def network_of_this_machine(folder: Path) -> Network:
    """The one with addresses and policies where this machine can have it, else its loopback."""
    return Loopback(folder) if namespaces.missing() else Routed()


class PaperCluster:
    """A `with` block in which all Deployments run, once the Job that migrates has ended well.

    Pods are in the network that is given, or in one of its own.
    """

    def __init__(self, folder: Path, objects: Sequence[Object], given: Given) -> None:
        objects = _placed(objects)
        self._folder, self._given, self._objects = folder, given, objects
        self.network = given.network or network_of_this_machine(folder)
        self._deployments = _of_kind(objects, "Deployment")
        self._jobs = _of_kind(objects, "Job")
        (self._ingress,) = _of_kind(objects, "Ingress").values()
        self._number = itertools.count(1)
        self._routing = threading.Lock()
        self.pods: dict[str, list[Pod]] = {}
        """By the name of their Deployment; those that take requests."""
        self.url = ""
        """Of the Ingress, for programs of this machine."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            if not self._given.network:
                undo.enter_context(self.network)
            undo.callback(self._stop)
            for service in _of_kind(self._objects, "Service").values():
                self.network.add_service(service)
            self._restrict(self._objects)
            self.run_job(next(name for name in self._jobs if name.endswith("-migrate")))
            self._open_ingress(undo)
            self.pods = {
                name: [self._pod(each, name) for _ in range(each["spec"].get("replicas", 1))]
                for name, each in self._deployments.items()
            }
            # Services are known by address before their pods answer.
            self._route()
            with ThreadPoolExecutor(max_workers=4) as together:
                list(together.map(Pod.start, (pod for pods in self.pods.values() for pod in pods)))
            self._at_exit = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def upgrade(self, objects: Sequence[Object]) -> None:
        """Exchange pods as their Deployments' strategy says: a new one, once it is ready, for an old one; or
        an old one first, where there is room for no more. Deployments that stay the same keep their pods."""
        objects = _placed(objects)
        self._restrict(objects)
        changed = {
            name: each
            for name, each in _of_kind(objects, "Deployment").items()
            if each["spec"]["template"] != self._deployments[name]["spec"]["template"]
        }
        self._deployments |= changed
        with ThreadPoolExecutor(max_workers=4) as together:
            list(together.map(self._roll, changed))

    def scale(self, name: str, replicas: int) -> None:
        """As many pods of a Deployment as that: new ones, which take requests once they are ready, or the
        youngest away, after they have drained."""
        while len(self.pods[name]) < replicas:
            self._add(name)
        while len(self.pods[name]) > replicas:
            self._remove(name, self.pods[name][-1])

    def run_job(self, name: str) -> None:
        """To its end, hooks such as that of `helm test` too. Raises StartFailed."""
        pod = self._pod(self._jobs[name], name)
        pod.run_to_its_end()
        pod.leave()

    def _roll(self, name: str) -> None:
        for old in list(self.pods[name]):
            if self._deployments[name]["spec"]["strategy"]["rollingUpdate"]["maxSurge"]:
                self._add(name)
                self._remove(name, old)
            else:
                self._remove(name, old)
                self._add(name)

    def _add(self, name: str) -> None:
        pod = self._pod(self._deployments[name], name)
        pod.start()
        deadline = time.monotonic() + 60
        while not pod.answers("readinessProbe"):
            assert time.monotonic() < deadline, f"{name} does not get ready"
            time.sleep(0.1)
        self.pods[name].append(pod)
        self._route()

    def _remove(self, name: str, pod: Pod) -> None:
        self.pods[name].remove(pod)
        self._route()
        pod.drain()
        pod.stop()
        pod.leave()

    def _pod(self, maker: Object, name: str) -> Pod:
        folder = self._folder / f"{name}-{next(self._number)}"
        template = maker["spec"]["template"]
        placed = {**template, "metadata": {**template["metadata"], "namespace": NAMESPACE}}
        return Pod(folder, placed, self._given, self.network)

    def _open_ingress(self, undo: ExitStack) -> None:
        place = self.network.join(CONTROLLER)
        undo.callback(self.network.leave, place)
        manners = manners_of(self._ingress["metadata"].get("annotations", {}))
        self.ingress = Nginx(self._folder / "ingress", {}, port=place.port, manners=manners)
        self.ingress.host, self.ingress.words_before = place.address, place.prefix
        undo.callback(self.ingress.stop)
        self.ingress.start()
        self.url = self.network.expose(place)

    def _route(self) -> None:
        with self._routing:
            places = {name: [pod.place for pod in pods] for name, pods in self.pods.items()}
            self.network.serve({name: places[name] for name in _of_kind(self._objects, "Service")})
            rules = self._ingress["spec"]["rules"][0]["http"]["paths"]
            targets = {rule["path"]: places[rule["backend"]["service"]["name"]] for rule in rules}
            self.ingress.change({path: list(map(str, found)) for path, found in targets.items()})

    def _restrict(self, objects: Sequence[Object]) -> None:
        found = [each for each in objects if each["kind"] == "NetworkPolicy"]
        self.network.restrict("release", found, list(_of_kind(objects, "Namespace").values()))

    def _stop(self) -> None:
        for pod in (pod for pods in self.pods.values() for pod in pods):
            pod.kill()
            pod.leave()


def _of_kind(objects: Sequence[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


def _placed(objects: Sequence[Object]) -> list[Object]:
    """With the namespace in all of them, as objects of a cluster have it."""
    return [{**each, "metadata": {"namespace": NAMESPACE, **each["metadata"]}} for each in objects]
