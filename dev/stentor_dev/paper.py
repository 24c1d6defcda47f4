"""A cluster on paper: rendered Deployments, Jobs and an Ingress as processes of this machine.

Each pod is one process with the exact words and variables of its container. Changed is only what a cluster
would give: the values behind secrets, volumes (folders), addresses of pods and services (ports on loopback),
and credentials of the API server, for pods that mount a token.
"""

import http.client
import itertools
import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stentor_dev.nginx import Nginx
from stentor_dev.process import Child, Command, Server

Object = dict[str, Any]
PROGRAMS: Mapping[str, Sequence[str]] = {
    "python": (sys.executable,),
    "stentor": (sys.executable, "-m", "stentor_allinone.main"),
}


@dataclass(frozen=True, slots=True)
class Given:
    """What a cluster gives that is in no manifest."""

    secret: Mapping[str, str]
    kubeconfig: Path | None = None


class Pod(Server):
    """One container of a pod template. `start` returns when the startup probe succeeds."""

    def __init__(self, base: Path, template: Object, given: Given, services: Mapping[str, int]) -> None:
        super().__init__(base)
        (self._container,) = template["spec"]["containers"]
        self.patience_seconds = template["spec"]["terminationGracePeriodSeconds"]
        self._secret, self._services = given.secret, services
        self._credentials = given.kubeconfig if template["spec"]["automountServiceAccountToken"] else None

    @property
    def argv(self) -> list[str]:
        program, *words = self._container["args"]
        return [*PROGRAMS[program], *words]

    def start(self) -> None:
        probe = self._container["startupProbe"]
        seconds = probe["periodSeconds"] * probe["failureThreshold"]
        self.run(self._command(), lambda: self.answers("startupProbe"), timeout_seconds=seconds)

    def run_to_its_end(self) -> None:
        """For a Job. Raises StartFailed."""
        Child(self._command()).wait_for_success()

    def answers(self, probe: str) -> bool:
        """Whether a probe of the manifest succeeds now."""
        asked = self._container[probe]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=asked["timeoutSeconds"])
        try:
            connection.request("GET", asked["httpGet"]["path"])
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def drain(self) -> None:
        """What precedes SIGTERM: others forget the pod meanwhile."""
        time.sleep(self._container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))

    def _command(self) -> Command:
        for mount in self._container["volumeMounts"]:
            (self.base / mount["name"]).mkdir(parents=True, exist_ok=True)
        return Command(self.argv, directory=self.base, environment=self.environment())

    def environment(self) -> dict[str, str]:
        """Variables as the container has them, with what this machine has in place of a cluster."""
        told = {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}
        if self._credentials:
            told["KUBECONFIG"] = str(self._credentials)
        for each in self._container["env"]:
            if "value" in each:
                told[each["name"]] = self._here(each["value"])
            elif (key := each["valueFrom"]["secretKeyRef"]["key"]) in self._secret:
                told[each["name"]] = self._secret[key]
            elif not each["valueFrom"]["secretKeyRef"].get("optional"):
                raise KeyError(f"the secret has no {key}")
        if "STENTOR_PORT" in told:
            told |= {"STENTOR_HOST": "127.0.0.1", "STENTOR_PORT": str(self.port)}
        return told

    def _here(self, value: str) -> str:
        for mount in self._container["volumeMounts"]:
            if value == mount["mountPath"] or value.startswith(mount["mountPath"] + "/"):
                return str(self.base / mount["name"]) + value.removeprefix(mount["mountPath"])
        for name, port in self._services.items():
            value = value.replace(f"http://{name}:8000", f"http://127.0.0.1:{port}")
        return value


class PaperCluster:
    """A `with` block in which all Deployments run, once the Job that migrates has ended well."""

    def __init__(self, folder: Path, objects: Sequence[Object], given: Given) -> None:
        self._folder, self._given = folder, given
        self._deployments = _of_kind(objects, "Deployment")
        self._jobs = _of_kind(objects, "Job")
        (self._ingress,) = _of_kind(objects, "Ingress").values()
        self._number = itertools.count(1)
        self._routing = threading.Lock()
        self.pods: dict[str, list[Pod]] = {}
        """By the name of their Deployment; those that take requests."""
        services = _of_kind(objects, "Service")
        self._proxies = {name: Nginx(folder / f"service-{name}", {}) for name in services}
        self.ingress = Nginx(folder / "ingress", {})

    @property
    def url(self) -> str:
        return self.ingress.url

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._stop)
            (migration,) = (job for name, job in self._jobs.items() if name.endswith("-migrate"))
            self._pod(migration, "migrate").run_to_its_end()
            made = {
                name: [self._pod(each, name) for _ in range(each["spec"]["replicas"])]
                for name, each in self._deployments.items()
            }
            self.pods = made
            # Services are known by address before their pods answer.
            self._route()
            for proxy in (*self._proxies.values(), self.ingress):
                proxy.start()
            with ThreadPoolExecutor(max_workers=4) as together:
                list(together.map(Pod.start, (pod for pods in made.values() for pod in pods)))
            self._at_exit = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def upgrade(self, objects: Sequence[Object]) -> None:
        """Exchange pods as their Deployments' strategy says: a new one, once it is ready, for an old one; or
        an old one first, where there is room for no more. Deployments that stay the same keep their pods."""
        changed = {
            name: each
            for name, each in _of_kind(objects, "Deployment").items()
            if each["spec"]["template"] != self._deployments[name]["spec"]["template"]
        }
        self._deployments |= changed
        with ThreadPoolExecutor(max_workers=4) as together:
            list(together.map(self._roll, changed))

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

    def _pod(self, maker: Object, name: str) -> Pod:
        ports = {service: proxy.port for service, proxy in self._proxies.items()}
        return Pod(
            self._folder / f"{name}-{next(self._number)}", maker["spec"]["template"], self._given, ports
        )

    def _route(self) -> None:
        with self._routing:
            ports = {name: [pod.port for pod in pods] for name, pods in self.pods.items()}
            for name, proxy in self._proxies.items():
                proxy.change({"": ports[name]})
            rules = self._ingress["spec"]["rules"][0]["http"]["paths"]
            self.ingress.change({rule["path"]: ports[rule["backend"]["service"]["name"]] for rule in rules})

    def _stop(self) -> None:
        for proxy in (self.ingress, *self._proxies.values()):
            proxy.stop()
        for pod in (pod for pods in self.pods.values() for pod in pods):
            pod.kill()


def _of_kind(objects: Sequence[Object], kind: str) -> dict[str, Object]:
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}
