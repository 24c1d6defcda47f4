"""A private reverse proxy that does what an ingress does: paths to ports, bodies passed on as they come."""

import grp
import os
import pwd
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stentor_dev.installation import NotInstalled, find_program, install_with_apt
from stentor_dev.process import Command, Server

HOW_TO_INSTALL = (
    "nginx is missing: `apt-get install -y nginx-light` on Debian or Ubuntu (as root), "
    "`brew install nginx` on macOS"
)
Routes = Mapping[str, Sequence[int | str]]
"""Path prefix -> ports of this machine, or `HOST:PORT`; a prefix covers its own path and all below it, and
the longest one wins. What begins with `~` is a pattern, and wins over all prefixes."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How requests are passed on."""

    directives: Sequence[str]
    idle_seconds: int
    """After which an idle connection to a service is dropped: before the service drops it, else a request now
    and then meets a closing one and becomes a 502."""


PATIENT = Manners(
    (
        "client_max_body_size 0",
        "proxy_http_version 1.1",
        "proxy_request_buffering off",
        "proxy_buffering off",
        "client_body_timeout 3600s",
        "proxy_read_timeout 3600s",
        "proxy_send_timeout 3600s",
        "send_timeout 3600s",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
    ),
    idle_seconds=3,
)
"""As little in the way as can be."""

ANNOTATION = "nginx.ingress.kubernetes.io/"
INGRESS = {
    "proxy-body-size": ("client_max_body_size {}", "1m"),
    "proxy-buffering": ("proxy_buffering {}", "off"),
    "proxy-request-buffering": ("proxy_request_buffering {}", "on"),
    "proxy-http-version": ("proxy_http_version {}", "1.1"),
    "proxy-connect-timeout": ("proxy_connect_timeout {}s", "5"),
    "proxy-read-timeout": ("proxy_read_timeout {}s", "60"),
    "proxy-send-timeout": ("proxy_send_timeout {}s", "60"),
    "proxy-buffer-size": ("proxy_buffer_size {}", "4k"),
}
"""Annotations of ingress-nginx: what each becomes, and what it is where it is not written."""


def manners_of(annotations: Mapping[str, str]) -> Manners:
    """What ingress-nginx does about an Ingress with these annotations, those in INGRESS and no others; the
    rest is what it does by default. The header with the caller's address is its own, and nobody else's."""
    told = [text.format(annotations.get(ANNOTATION + name, usual)) for name, (text, usual) in INGRESS.items()]
    return Manners((*told, "proxy_set_header X-Forwarded-For $remote_addr"), idle_seconds=60)


# One failure does not take a service out, so that a restarted one is back at once.
UPSTREAM = """
  upstream {name} {{
    {servers}
    keepalive 32;
    keepalive_timeout {idle_seconds}s;
  }}"""
LOCATION = "\n    location {match} {{ proxy_pass http://{name}; }}"
CONFIGURATION = """
daemon off;
{user}
worker_processes 2;
pid {base}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {base}/body;
  proxy_temp_path {base}/proxy;
  fastcgi_temp_path {base}/fastcgi;
  uwsgi_temp_path {base}/uwsgi;
  scgi_temp_path {base}/scgi;
  map $http_upgrade $connection_header {{ default upgrade; '' ''; }}
{upstreams}
  server {{
    listen {host}:{port};
{manners}
    proxy_set_header Host $http_host;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_header;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
{locations}
  }}
}}
"""


class Nginx(Server):
    """The proxy; what no route covers is its 404."""

    host = "127.0.0.1"
    """Address that it listens on."""
    words_before: Sequence[str] = ()
    """Its command is the end of this one."""

    def __init__(
        self, base: Path, routes: Routes, *, port: int | None = None, manners: Manners = PATIENT
    ) -> None:
        super().__init__(base, port)
        self.routes = routes
        self._manners = manners

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def change(self, routes: Routes) -> None:
        """Other routes from now on; requests under way end where they are."""
        self.routes = routes
        if self.child:
            (self.base / "nginx.conf").write_text(self._configuration())
            os.kill(self.child.pid, signal.SIGHUP)

    def start(self) -> None:
        self.base.mkdir(parents=True, exist_ok=True)
        self._pid_file.unlink(missing_ok=True)
        (self.base / "nginx.conf").write_text(self._configuration())
        command = Command(
            [
                *self.words_before,
                find_nginx(),
                "-p",
                self.base,
                "-c",
                self.base / "nginx.conf",
                "-e",
                "stderr",
            ],
            directory=self.base,
            environment={"PATH": os.environ["PATH"]},
            # Its workers outlive a SIGKILL of it.
            orphan_signal=signal.SIGTERM,
        )
        # Written once the port is its own; that something answers there proves nothing.
        self.run(command, self._pid_file.exists, timeout_seconds=10)

    @property
    def _pid_file(self) -> Path:
        return self.base / "nginx.pid"

    def _configuration(self) -> str:
        groups = dict.fromkeys(tuple(ports) for ports in self.routes.values())
        names = {ports: f"upstream_{number}" for number, ports in enumerate(groups)}
        upstreams = [
            UPSTREAM.format(
                name=name,
                servers=" ".join(f"server {_address(port)} max_fails=0;" for port in ports),
                idle_seconds=self._manners.idle_seconds,
            )
            for ports, name in names.items()
        ]
        locations = [
            LOCATION.format(match=match, name=names[tuple(ports)])
            for prefix, ports in self.routes.items()
            for match in _matches(prefix.rstrip("/"))
        ]
        return CONFIGURATION.format(
            base=self.base,
            host=self.host,
            port=self.port,
            user=_user(),
            manners="".join(f"    {each};\n" for each in self._manners.directives),
            upstreams="".join(upstreams),
            locations="".join(locations),
        )


def _address(port: int | str) -> str:
    return port if isinstance(port, str) else f"127.0.0.1:{port}"


def _matches(prefix: str) -> list[str]:
    if prefix.startswith("~"):
        return [prefix]
    return [f"= {prefix}", f"{prefix}/"] if prefix else ["/"]


def _user() -> str:
    """As root the workers would become an account that cannot enter the base directory."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


def find_nginx() -> Path:
    program = find_program("nginx")
    if program is None:
        raise NotInstalled(HOW_TO_INSTALL)
    return program


def ensure_installed() -> None:
    """Install nginx if that is missing and this program may; else raise NotInstalled."""
    try:
        find_nginx()
    except NotInstalled:
        if not install_with_apt("nginx-light"):
            raise
        find_nginx()
