"""One pod as a process of this machine, with the exact words and variables of its container.

Changed is only what a cluster would give: the values behind secrets, volumes (folders), credentials of the
API server, for pods that mount a token, and what the network cannot do without, see `networks`.
"""

import http.client
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stentor_dev.paper.networks import Network
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
    network: Network | None = None
    """That others share. None: one of the cluster's own."""


class Pod(Server):
    """One container of a pod template. `start` returns when the startup probe succeeds."""

    def __init__(self, base: Path, template: Object, given: Given, network: Network) -> None:
        self.place = network.join(template)
        super().__init__(base, self.place.port)
        (self._container,) = template["spec"]["containers"]
        self.patience_seconds = template["spec"]["terminationGracePeriodSeconds"]
        self._secret, self._network = given.secret, network
        self._credentials = given.kubeconfig if template["spec"]["automountServiceAccountToken"] else None

    @property
    def argv(self) -> list[str]:
        program, *words = self._container["args"]
        return [*PROGRAMS[program], *map(self._network.seen, words)]

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
        connection = http.client.HTTPConnection(self.place.address, self.place.port)
        try:
            connection.sock = self._network.connect(self.place, asked["timeoutSeconds"])
            connection.request("GET", asked["httpGet"]["path"])
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def drain(self) -> None:
        """What precedes SIGTERM: others forget the pod meanwhile."""
        time.sleep(self._container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))

    def leave(self) -> None:
        """Give its address back. It does not start again."""
        self._network.leave(self.place)

    def _command(self) -> Command:
        for mount in self._container["volumeMounts"]:
            (self.base / mount["name"]).mkdir(parents=True, exist_ok=True)
        words = [*self.place.prefix, *self.argv]
        return Command(words, directory=self.base, environment=self.environment())

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
        seen = {name: self._network.seen(value) for name, value in told.items()}
        return seen | self._network.listening(seen, self.place)

    def _here(self, value: str) -> str:
        for mount in self._container["volumeMounts"]:
            if value == mount["mountPath"] or value.startswith(mount["mountPath"] + "/"):
                return str(self.base / mount["name"]) + value.removeprefix(mount["mountPath"])
        return value
