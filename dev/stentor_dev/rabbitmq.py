"""A private RabbitMQ for trials: on loopback, with its own port mapper, blind to the machine's settings."""

import base64
import http.client
import json
import os
import socket
import time
from pathlib import Path
from urllib.parse import quote

from stentor_dev.installation import NotInstalled, find_program, install_with_apt
from stentor_dev.process import Child, Command, Server, accepts, free_port

# Debian's program on the path would change to the system's account and folders; the one behind it does not.
SERVER_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin")
HOW_TO_INSTALL = (
    "RabbitMQ is missing: `apt-get install -y rabbitmq-server` on Debian or Ubuntu (as root), "
    "`brew install rabbitmq` on macOS; or name a broker in STENTOR_TEST_QUEUE_URL"
)
STATISTICS = """[
  {rabbit, [{collect_statistics_interval, %d}, {quorum_tick_interval, %d}]},
  {rabbitmq_management, [
    {sample_retention_policies, [{global, [{%d, %d}]}, {basic, [{%d, %d}]}, {detailed, [{%d, %d}]}]}]}
].
"""
AMQP_HEADER = b"AMQP\x00\x00\x09\x01"


class RabbitMq(Server):
    """The broker, its port mapper (epmd), and its data, which outlives stop and kill."""

    patience_seconds = 30

    def __init__(self, base: Path, *, statistics_seconds: int | None = None) -> None:
        """`statistics_seconds` is how often the broker counts what is in its queues, and how often the
        management plugin takes notice of that; it is 5 by default, of both."""
        super().__init__(base)
        self._statistics_seconds = statistics_seconds
        self.management_port = free_port()
        self._distribution_port, self._mapper_port = free_port(), free_port()
        self._mapper: Child | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def create_vhost(self, name: str) -> str:
        """Make a virtual host, if there is none of that name, and return its URL."""
        path = quote(name, safe="")
        self.manage("PUT", f"/vhosts/{path}")
        self.manage("PUT", f"/permissions/{path}/guest", {"configure": ".*", "write": ".*", "read": ".*"})
        return f"{self.url}{path}"

    def start(self) -> None:
        server, mapper = find_server(), find_program("epmd")
        if mapper is None:
            raise NotInstalled(HOW_TO_INSTALL)
        self._write_settings()
        self._mapper = Child(
            self._command("epmd", mapper, "-port", str(self._mapper_port), "-address", "127.0.0.1")
        )
        try:
            self._mapper.wait_until(lambda: accepts(self._mapper_port))
            self.run(self._command("broker", server), self._is_ready, timeout_seconds=120)
        except BaseException:
            self._mapper.kill()
            raise

    def stop(self) -> None:
        super().stop()
        if self._mapper:
            self._mapper.kill()

    def kill(self) -> None:
        """End it at once. Call `settle` first if a queue may be younger than a second."""
        super().kill()
        if self._mapper:
            self._mapper.kill()

    def settle(self) -> None:
        """Wait until the broker has written down which quorum queues exist.

        It does so half a second late, whatever it confirmed by then. After a kill within that time the queue
        is still declared, but its messages are gone and it never has a leader again.
        """
        time.sleep(1.5)

    def manage(self, method: str, path: str, body: object | None = None) -> object:
        """Ask the management plugin; an answer other than success is an OSError with its text."""
        headers = {
            "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
            "Content-Type": "application/json",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.management_port, timeout=10)
        try:
            connection.request(method, f"/api{path}", json.dumps(body or {}), headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise OSError(f"{method} {path}: {answer.status} {text.decode(errors='replace')}")
        return json.loads(text) if text else None

    def _is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(AMQP_HEADER)
                greeted = bool(connection.recv(1))
            self.manage("GET", "/vhosts")
        except (OSError, http.client.HTTPException):
            return False
        return greeted

    def _command(self, name: str, *words: str | Path) -> Command:
        return Command(words, directory=self.base / name, environment=self._environment())

    def _write_settings(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        (self.base / "enabled_plugins").write_text("[rabbitmq_management].\n")
        settings = {
            "listeners.tcp.1": f"127.0.0.1:{self.port}",
            "management.tcp.ip": "127.0.0.1",
            "management.tcp.port": self.management_port,
            "log.console": "true",
            "log.console.level": "info",
            "log.file": "false",
            "disk_free_limit.absolute": "50MB",
            "vm_memory_high_watermark.absolute": "1GB",
        }
        lines = [f"{name} = {value}\n" for name, value in settings.items()]
        (self.base / "rabbitmq.conf").write_text("".join(lines))
        if seconds := self._statistics_seconds:
            told = STATISTICS % (1000 * seconds, 1000 * seconds, *3 * (600 * seconds, seconds))
            (self.base / "advanced.config").write_text(told)

    def _environment(self) -> dict[str, str]:
        base = self.base
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(base),
            # A file that does not exist keeps the machine's settings out.
            "RABBITMQ_CONF_ENV_FILE": str(base / "no-settings-of-the-machine"),
            # The name is part of the data's place, and private since the port mapper is.
            "RABBITMQ_NODENAME": "stentor@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONFIG_FILE": str(base / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(base / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(base / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(base / "data"),
            "RABBITMQ_MNESIA_DIR": str(base / "data" / "node"),
            "RABBITMQ_FEATURE_FLAGS_FILE": str(base / "feature_flags"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(base / "generated"),
            "RABBITMQ_PID_FILE": str(base / "pid"),
            "RABBITMQ_LOG_BASE": str(base / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Makes the start script become the broker, so that a signal to the child reaches it.
            "detached": "1",
        }


def find_server() -> Path:
    server = find_program("rabbitmq-server", first=SERVER_FOLDERS)
    if server is None:
        raise NotInstalled(HOW_TO_INSTALL)
    return server


def ensure_installed() -> None:
    """Install RabbitMQ if that is missing and this program may; else raise NotInstalled."""
    try:
        find_server()
    except NotInstalled:
        if not install_with_apt("rabbitmq-server"):
            raise
        find_server()
