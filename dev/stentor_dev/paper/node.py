"""A node that forwards: pods and the outside hang on it, each with a network namespace and a line of its own.

Nobody sees anything but the node; so all that is said passes its rules, between pods too.
"""

import itertools
import os
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from stentor_dev.paper import namespaces

ADDRESS = "10.244.0.1"
SERVERS = "192.168.50.1"
"""Outside: where PostgreSQL, RabbitMQ, the object store and the API server are."""
METADATA, PRIVATE, PUBLIC, CLIENT = "169.254.169.254", "192.168.50.2", "203.0.113.7", "203.0.113.9"
"""Outside too: what clouds tell their nodes, another machine of the house, one of the world, and a client."""

SETTINGS = {
    "ipv4/ip_forward": "1",
    # Every refusal is told, however many there are in a second.
    "ipv4/icmp_ratelimit": "0",
    "ipv4/icmp_msgs_per_sec": "100000",
    "ipv4/icmp_msgs_burst": "100000",
}
Address = tuple[str, int]


class Node:
    """For one `with` block. Raises CommandFailed where the machine gives no namespaces."""

    _numbers = itertools.count(1)

    def __init__(self) -> None:
        self._number = next(self._numbers)
        self._hosts = itertools.count(2)
        self._namespaces: dict[str, str] = {}
        """By the address in it."""
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._name = namespaces.new(f"{self._number}-node")
            undo.callback(namespaces.remove, self._name)
            namespaces.configure(self._name, "link set lo up", f"addr add {ADDRESS}/32 dev lo")
            namespaces.inside(self._name, _set_up)
            undo.callback(self._remove_all)
            outside = self._attach("outside", SERVERS)
            for each in (METADATA, PRIVATE, PUBLIC, CLIENT):
                namespaces.configure(outside, f"addr add {each}/32 dev lo")
                self._namespaces[each] = outside
            namespaces.configure(self._name, f"route add default via {SERVERS} dev outside onlink")
            self._at_exit = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def attach(self, resolver: str) -> str:
        """The address of a new pod, which finds names as that text for resolv.conf says."""
        with self._lock:
            number = next(self._hosts)
        address = f"10.244.{number // 250}.{number % 250 + 2}"
        name = self._attach(f"pod{number}", address)
        folder = namespaces.FILES / name
        folder.mkdir(parents=True)
        (folder / "resolv.conf").write_text(resolver)
        # A machine may have its own way of finding names, which does not ask there.
        (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
        return address

    def detach(self, address: str) -> None:
        namespaces.remove(self._namespaces.pop(address))

    def words_before(self, address: str) -> list[str]:
        """What to put before a command that is to run in a pod."""
        return namespaces.words_before(self._namespaces[address])

    def apply(self, rules: str) -> None:
        """Rules of nftables, at once. Raises CommandFailed."""
        namespaces.nft(self._name, rules)

    def bound(self, at: Address, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
        """A socket of a pod, of who is outside, or of the node itself, by its address; port 0 is any."""
        made = namespaces.socket_in(self._namespaces.get(at[0], self._name), kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(at)
        return made

    def connected(self, address: str, to: Address, timeout_seconds: float) -> socket.socket:
        """A connection from an address. Raises OSError: EHOSTUNREACH where a policy forbids it."""
        made = self.bound((address, 0))
        try:
            made.settimeout(timeout_seconds)
            made.connect(to)
        except BaseException:
            made.close()
            raise
        return made

    def _attach(self, link: str, address: str) -> str:
        name = namespaces.new(f"{self._number}-{link}")
        self._namespaces[address] = name
        namespaces.configure(
            self._name,
            f"link add {link} type veth peer name eth0 netns {name}",
            f"link set {link} up",
            f"route add {address}/32 dev {link}",
        )
        namespaces.configure(
            name,
            "link set lo up",
            f"addr add {address}/32 dev eth0",
            "link set eth0 up",
            f"route add {ADDRESS} dev eth0",
            f"route add default via {ADDRESS} dev eth0",
        )
        return name

    def _remove_all(self) -> None:
        for name in set(self._namespaces.values()):
            namespaces.remove(name)


def _set_up() -> None:
    for name, value in SETTINGS.items():
        path = Path("/proc/sys/net") / name
        # Some are the whole machine's in older kernels, and not seen from here.
        if path.exists() and os.access(path, os.W_OK):
            path.write_text(value)
