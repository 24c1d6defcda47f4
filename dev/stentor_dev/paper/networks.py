"""Where pods are: what a network does for them, and the plain one that is this machine's loopback."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from stentor_dev.nginx import Nginx
from stentor_dev.process import free_port

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one pod is."""

    address: str
    port: int
    """That its container listens on."""
    prefix: tuple[str, ...] = ()
    """Words before a command that is to run there."""

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


class Network(Protocol):
    """For one `with` block. Threads may use it side by side."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def join(self, pod: Object) -> Place:
        """A place for a pod, whose `metadata` has a namespace and maybe labels, and whose containers may name
        ports."""

    def leave(self, place: Place) -> None:
        """The pod is gone."""

    def connect(self, place: Place, timeout_seconds: float) -> socket.socket:
        """As the node does it to look after a pod. Raises OSError."""

    def expose(self, place: Place) -> str:
        """URL under which programs of this machine reach a pod, coming from outside the cluster."""

    def seen(self, value: str) -> str:
        """A variable's value, with the addresses in it under which pods reach what they name."""

    def server(self, url: str, port: int) -> str:
        """Under which URL pods reach a server that this machine knows by that one: on this port, if anywhere
        else."""

    def listening(self, variables: Mapping[str, str], place: Place) -> dict[str, str]:
        """What a container must be told otherwise than its manifest says, so that it listens there."""

    def add_service(self, service: Object) -> None:
        """Make its name known; it has no pods yet."""

    def serve(self, endpoints: Mapping[str, Sequence[Place]]) -> None:
        """Which pods take requests, for every service by its name."""

    def restrict(self, source: str, policies: Sequence[Object], namespaces: Sequence[Object] = ()) -> None:
        """Put NetworkPolicies in force, instead of those that came from that source before."""


class Loopback:
    """Pods are ports of this machine, services are proxies, and everybody reaches everybody.

    What it lacks is why containers are told other addresses than their manifests say.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._services: dict[str, Nginx] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for proxy in self._services.values():
            proxy.stop()

    def join(self, pod: Object) -> Place:
        return Place("127.0.0.1", free_port())

    def leave(self, place: Place) -> None:
        pass

    def connect(self, place: Place, timeout_seconds: float) -> socket.socket:
        return socket.create_connection((place.address, place.port), timeout_seconds)

    def expose(self, place: Place) -> str:
        return f"http://{place}"

    def seen(self, value: str) -> str:
        for name, proxy in self._services.items():
            value = value.replace(f"http://{name}:8000", proxy.url)
        return value

    def server(self, url: str, port: int) -> str:
        return url

    def listening(self, variables: Mapping[str, str], place: Place) -> dict[str, str]:
        if "STENTOR_PORT" not in variables:
            return {}
        return {"STENTOR_HOST": place.address, "STENTOR_PORT": str(place.port)}

    def add_service(self, service: Object) -> None:
        name = service["metadata"]["name"]
        if name not in self._services:
            self._services[name] = Nginx(self._folder / f"service-{name}", {})

    def serve(self, endpoints: Mapping[str, Sequence[Place]]) -> None:
        for name, places in endpoints.items():
            proxy = self._services[name]
            proxy.change({"": [str(place) for place in places]})
            if not proxy.child:
                proxy.start()

    def restrict(self, source: str, policies: Sequence[Object], namespaces: Sequence[Object] = ()) -> None:
        pass
