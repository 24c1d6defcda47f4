"""A network in which each pod has an address and its own ports, and NetworkPolicies are in force.

Services have addresses that the node translates to those of pods, as kube-proxy does, and policies see what
is left of a packet then: the calling pod's address, and that of the pod behind the service. Servers of this
machine have an address outside the cluster, from which relays carry connections on; who calls the cluster
comes from there too.
"""

import re
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from stentor_dev.paper import policies
from stentor_dev.paper.networks import Place
from stentor_dev.paper.node import ADDRESS, CLIENT, SERVERS, Address, Node
from stentor_dev.paper.policies import Member
from stentor_dev.paper.relay import Relays
from stentor_dev.process import free_port

Object = dict[str, Any]

SERVICES = "10.96.0.0/16"
DOMAIN = "svc.cluster.local"
RESOLVER = "nameserver {server}\nsearch {namespace}.{domain} {domain} cluster.local\noptions ndots:5\n"
SERVERS_NAME = "servers.example.com"
PORTS = {"postgresql": 5432, "postgresql+asyncpg": 5432, "amqp": 5672, "s3+http": 9000}
"""On which servers of such addresses usually listen."""
SERVER_URL = re.compile(rf"({'|'.join(map(re.escape, PORTS))})://")
KUBE_DNS: Object = {
    "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
    "spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
}
"""The pod as well as the service."""
SERVICE_TABLE = """
table ip services
delete table ip services
table ip services {{
  chain prerouting {{
    type nat hook prerouting priority dstnat;
    {translations}
  }}
  chain forward {{
    type filter hook forward priority filter - 10; policy accept;
    ip daddr {services} reject with icmp type port-unreachable
  }}
}}
"""


@dataclass(slots=True)
class _Service:
    address: str
    ports: Sequence[Object]
    places: Sequence[Place] = ()


class Routed:
    """See `Network`. Raises CommandFailed where the machine gives no namespaces: `namespaces.missing`."""

    def __init__(self) -> None:
        self.node = Node()
        self._members: dict[str, Member] = {}
        """By address."""
        self._services: dict[str, _Service] = {}
        self._names: dict[str, str] = {SERVERS_NAME: SERVERS}
        self._relayed: dict[Address, Address] = {}
        """Servers of this machine, and where pods find them."""
        self._policies: dict[str, tuple[Sequence[Object], Sequence[Object]]] = {}
        self._relays = Relays()
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.node)
            undo.enter_context(self._relays)
            self.add_service(KUBE_DNS)
            place = self.join(KUBE_DNS)
            self.serve({"kube-dns": [place]})
            self._relays.tell_names(self.node.bound((place.address, 53), socket.SOCK_DGRAM), self._names)
            self._at_exit = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def join(self, pod: Object) -> Place:
        namespace, labels = pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}
        resolver = RESOLVER.format(
            server=self._services["kube-dns"].address, namespace=namespace, domain=DOMAIN
        )
        address = self.node.attach(resolver)
        containers = pod["spec"].get("containers", [])
        listed = [port for container in containers for port in container.get("ports", [])]
        ports = {port["name"]: port["containerPort"] for port in listed if "name" in port}
        with self._lock:
            self._members[address] = Member(address, namespace, labels, ports)
            self._apply_policies()
        port = listed[0]["containerPort"] if listed else 0
        return Place(address, port, tuple(self.node.words_before(address)))

    def leave(self, place: Place) -> None:
        with self._lock:
            del self._members[place.address]
            self._apply_policies()
        self.node.detach(place.address)

    def connect(self, place: Place, timeout_seconds: float) -> socket.socket:
        return self.node.connected(ADDRESS, (place.address, place.port), timeout_seconds)

    def expose(self, place: Place) -> str:
        listening = socket.socket()
        listening.bind(("127.0.0.1", free_port()))
        self._relays.carry(listening, lambda: self.node.bound((CLIENT, 0)), (place.address, place.port))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    def seen(self, value: str) -> str:
        found = SERVER_URL.match(value)
        return self.server(value, PORTS[found[1]]) if found else value

    def server(self, url: str, port: int) -> str:
        """Under which URL pods reach a server that this machine knows by that one: outside, on this port."""
        parts = urlsplit(url)
        assert parts.hostname
        to = (parts.hostname, parts.port or port)
        with self._lock:
            if to not in self._relayed:
                self._relayed[to] = (SERVERS, port)
                self._relays.carry(self.node.bound((SERVERS, port)), socket.socket, to)
        login, at, _ = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{login}{at}{SERVERS_NAME}:{port}").geturl()

    def listening(self, variables: Mapping[str, str], place: Place) -> dict[str, str]:
        return {}

    def add_service(self, service: Object) -> None:
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        with self._lock:
            made = _Service(f"10.96.0.{len(self._services) + 10}", service["spec"]["ports"])
            self._services[name] = made
            self._names[f"{name}.{namespace}.{DOMAIN}"] = made.address
            self._apply_services()

    def serve(self, endpoints: Mapping[str, Sequence[Place]]) -> None:
        with self._lock:
            for name, places in endpoints.items():
                self._services[name].places = places
            self._apply_services()

    def restrict(self, source: str, policies: Sequence[Object], namespaces: Sequence[Object] = ()) -> None:
        with self._lock:
            self._policies[source] = (policies, namespaces)
            self._apply_policies()

    def _apply_policies(self) -> None:
        found = [each for listed, _ in self._policies.values() for each in listed]
        labels = {
            each["metadata"]["name"]: each["metadata"].get("labels") or {}
            for _, listed in self._policies.values()
            for each in listed
        }
        self.node.apply(policies.table(found, list(self._members.values()), labels))

    def _apply_services(self) -> None:
        translations = [
            f"ip daddr {service.address} {port['protocol'].lower()} dport {port['port']} "
            f"dnat ip to numgen inc mod {len(service.places)} map {{ {self._targets(service, port)} }}"
            for service in self._services.values()
            for port in service.ports
            if service.places
        ]
        rules = SERVICE_TABLE.format(translations="\n    ".join(translations), services=SERVICES)
        self.node.apply(rules)

    def _targets(self, service: _Service, port: Object) -> str:
        def number(place: Place) -> int:
            wanted: Any = port.get("targetPort", port["port"])
            return self._members[place.address].ports[wanted] if isinstance(wanted, str) else int(wanted)

        return ", ".join(
            f"{index} : {place.address} . {number(place)}" for index, place in enumerate(service.places)
        )
