"""What networks of paper clusters do for pods."""

import http.server
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import psutil
import pytest

from stentor_dev.paper import namespaces
from stentor_dev.paper.networks import Loopback, Place
from stentor_dev.paper.relay import Relays
from stentor_dev.paper.routed import Routed
from stentor_dev.patience import eventually
from stentor_dev.process import accepts, free_port

POD = {
    "metadata": {"namespace": "stentor"},
    "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8000}]}]},
}
SERVICE = {
    "metadata": {"name": "web", "namespace": "stentor"},
    "spec": {"ports": [{"port": 8000, "targetPort": "http", "protocol": "TCP"}]},
}
KILLED = f"""
import sys, time
from pathlib import Path
from stentor_dev.paper.routed import Routed
from stentor_dev.process import Child, Command
with Routed() as network:
    place = network.join({POD!r})
    pod = Child(Command([*place.prefix, "sleep", "1000"], Path(sys.argv[1]), {{}}))
    print(pod.pid, flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def needs_namespaces() -> None:
    if why := namespaces.missing():
        pytest.skip(why)


class Name(http.server.BaseHTTPRequestHandler):
    def __init__(self, name: str, *given: object) -> None:
        self.name = name
        super().__init__(*given)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.name.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(name: str, place: Place) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer((place.address, place.port), partial(Name, name))
    turning = threading.Thread(target=server.serve_forever)
    turning.start()
    try:
        yield
    finally:
        server.shutdown()
        turning.join()
        server.server_close()


def test_a_relay_carries_both_ways_and_hears_each_side_end() -> None:
    with Relays() as relays, closing(socket.create_server(("127.0.0.1", 0))) as there:
        listening = socket.socket()
        listening.bind(("127.0.0.1", free_port()))
        address = listening.getsockname()
        relays.carry(listening, socket.socket, there.getsockname())
        large = os.urandom(3_000_000)
        with closing(socket.create_connection(address, 10)) as one, closing(there.accept()[0]) as other:
            other.settimeout(10)

            def send() -> None:
                one.sendall(large)
                one.shutdown(socket.SHUT_WR)

            sending = threading.Thread(target=send)
            sending.start()
            heard = b"".join(iter(partial(other.recv, 1 << 20), b""))
            sending.join()
            assert heard == large
            # Whoever has said all may still be answered.
            other.sendall(b"thanks")
            other.shutdown(socket.SHUT_WR)
            assert b"".join(iter(partial(one.recv, 100), b"")) == b"thanks"


def test_a_relay_to_nobody_ends_the_connection() -> None:
    with Relays() as relays:
        listening = socket.socket()
        listening.bind(("127.0.0.1", free_port()))
        address = listening.getsockname()
        relays.carry(listening, socket.socket, ("127.0.0.1", free_port()))
        with closing(socket.create_connection(address, 10)) as one:
            assert one.recv(100) == b""
    assert not accepts(address[1])


@pytest.mark.live
def test_on_loopback_a_service_is_a_proxy_that_pods_are_told(tmp_path: Path) -> None:
    with Loopback(tmp_path) as network:
        one, other = network.join(POD), network.join(POD)
        network.add_service(SERVICE)
        network.serve({"web": [one]})
        url = network.seen("http://web:8000")
        with answering("one", one), answering("other", other):
            network.connect(one, 5).close()
            assert httpx2.get(url).text == "one"
            network.serve({"web": [other]})
            eventually(lambda: httpx2.get(url).text == "other")
        told = network.listening({"STENTOR_HOST": "any", "STENTOR_PORT": "8000"}, one)
        assert told == {"STENTOR_HOST": one.address, "STENTOR_PORT": str(one.port)}
        assert network.listening({"HOME": "/"}, one) == {}


@pytest.mark.live
@pytest.mark.usefixtures("needs_namespaces")
def test_pods_listen_where_their_manifests_say_and_this_machine_keeps_its_own_network() -> None:
    def own() -> list[str]:
        asked = (["ip", "-o", "link"], ["ip", "-o", "addr"], ["ip", "route"], ["nft", "list", "ruleset"])
        return [subprocess.run(each, capture_output=True, text=True, check=True).stdout for each in asked]

    before = own()
    with Routed() as network, closing(socket.create_server(("127.0.0.1", 0))) as server:
        one, other = network.join(POD), network.join(POD)
        assert (one.port, other.port) == (8000, 8000)
        assert one.address != other.address
        url = network.seen(f"postgresql://me:secret@127.0.0.1:{server.getsockname()[1]}/mine")
        assert url == "postgresql://me:secret@servers.example.com:5432/mine"
        command = [*one.prefix, sys.executable, "-c", CALL, "servers.example.com", "5432"]
        with subprocess.Popen(command) as calling, closing(server.accept()[0]) as called:
            assert called.recv(100) == b"hello"
            assert called.getpeername()[0] == "127.0.0.1"
        assert calling.returncode == 0
        assert own() == before
    assert own() == before


CALL = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 10).sendall(b'hello')"


@pytest.mark.live
@pytest.mark.usefixtures("needs_namespaces")
def test_of_a_run_that_was_killed_nothing_is_left(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        pod = psutil.Process(int(run.stdout.readline()))
        run.send_signal(signal.SIGKILL)
    eventually(lambda: not pod.is_running() or pod.status() == psutil.STATUS_ZOMBIE)

    def left() -> list[str]:
        folders = (namespaces.NAMED, namespaces.FILES)
        return [path.name for each in folders for path in each.glob(f"stentor-{run.pid}-*")]

    assert left()
    namespaces.remove_leftovers()
    assert left() == []


def test_where_there_are_no_namespaces_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    namespaces.missing.cache_clear()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    try:
        assert namespaces.missing() == "network namespaces need Linux and root"
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
        namespaces.missing.cache_clear()
        assert "is missing: `apt-get install -y" in namespaces.missing()
    finally:
        namespaces.missing.cache_clear()
