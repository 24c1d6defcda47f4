"""The product as separate processes on one machine, with the servers it needs and a proxy in front.

`python -m stentor_dev.distributed`; tests and benchmarks use the class.
"""

import argparse
import base64
import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from stentor_dev import nginx
from stentor_dev.installation import NotInstalled
from stentor_dev.nginx import Nginx
from stentor_dev.process import Child, Command, Server, StartFailed, free_port
from stentor_dev.servers import Servers
from stentor_dev.service import Service

AUTH = "auth"
STT, TTS, SUMMARIZE, PIPELINES = "stt-api", "tts-api", "summarize-api", "pipelines-api"
DEPLOY = "deploy-api"
CAPABILITIES = ("stt", "tts", "summarize", "pipelines", "deploy")
PROXY = "proxy"
MICROPHONE = ("/api/v1/stt", "/api/v1/mic")
MIGRATE = "migrate"
PATHS = {
    AUTH: ("/v1/users", "/v1/token", "/v1/tokens", "/.well-known/jwks.json", "/users", "/token", "/api/v1"),
    STT: ("/v1", "/v2/upload", "/v2/transcript", "/speech-to-text", "/endpoints/whisper", *MICROPHONE),
    DEPLOY: (
        *("/v1/deployments", "/v1/predictions", "/model-deployment", "/models", "/endpoints", "/algorithms"),
        *("/v2", r"~ ^/v1/models/[^/]+:predict/?$"),
    ),
    SUMMARIZE: ("/v1/summaries", "/summarization"),
    PIPELINES: ("/v1/pipelines",),
    TTS: ("/v1/speech", "/v1/voices", "/v1/audio/speech", "/v1/audio/voices", "/v1/tts", "/text-to-speech"),
}
"""Which API answers what; the longest prefix wins."""

log = logging.getLogger("stentor_dev.distributed")


class MemberDied(RuntimeError):
    """A process ended by itself; the text names it and carries the end of its log."""


def programs(workers: int = 1, capabilities: Sequence[str] = ("stt",)) -> dict[str, Sequence[str]]:
    """What runs each process, by name and in the order of starting; the migration ends before the others.

    Each capability has an API and a worker, speech to text so many workers.
    """
    found: dict[str, Sequence[str]] = {
        MIGRATE: (sys.executable, "-m", "stentor_allinone.main", "migrate"),
        AUTH: (sys.executable, "-m", "stentor_auth", "api"),
    }
    for capability in capabilities:
        program = (sys.executable, "-m", f"stentor_{capability}")
        found[f"{capability}-api"] = (*program, "api")
        for number in range(workers if capability == "stt" else 1):
            found[f"{capability}-worker-{number + 1}"] = (*program, "worker")
    return found


class Distributed:
    """A `with` block in which everything runs; `members` are the processes, servers included, by name.

    A member can be killed, stopped and started again, and keeps its port and data. `settings` are environment
    variables for every process of the product and win over those made here. Without a folder nothing is kept.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        port: int | None = None,
        argvs: Mapping[str, Sequence[str]] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.servers = Servers(folder)
        self.port = port or free_port()
        self.members: dict[str, Server] = {}
        self._lasting_name = "stentor" if folder else None
        self._argvs = dict(argvs or programs())
        self._settings = dict(settings or {})
        self._at_exit = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._start(undo)
            self._at_exit = undo.pop_all()
        log.info("ready: %s", self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def start(self, name: str) -> None:
        log.info("starting %s", name)
        self.members[name].start()

    def stop(self, name: str) -> None:
        log.info("stopping %s", name)
        self.members[name].stop()

    def kill(self, name: str) -> None:
        log.info("killing %s", name)
        self.members[name].kill()

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def check(self) -> None:
        """Raise MemberDied if a member has ended that nobody here ended."""
        for name, member in self.members.items():
            child = member.child
            if child and not child.running:
                raise MemberDied(f"{name} has ended; {child.log} ends with\n{child.log_tail()}")

    def _start(self, undo: ExitStack) -> None:
        nginx.ensure_installed()
        log.info("starting PostgreSQL, RabbitMQ and S3")
        undo.enter_context(self.servers)
        undo.callback(log.info, "stopping the servers")
        shared = self._shared_environment()
        self._migrate(shared)
        auth = Service(self._folder(AUTH), self._argvs[AUTH], {**shared, **self._settings})
        shared["STENTOR_AUTH_URL"] = auth.url
        others = {
            name: Service(self._folder(name), argv, {**shared, **self._settings})
            for name, argv in self._argvs.items()
            if name not in (MIGRATE, AUTH)
        }
        ports = {name: service.port for name, service in {AUTH: auth, **others}.items() if name in PATHS}
        routes = {path: [port] for name, port in ports.items() for path in PATHS[name]}
        proxy = Nginx(self._folder(PROXY), routes, port=self.port)
        self.members = {**self.servers.own(), AUTH: auth, **others, PROXY: proxy}
        for name in (AUTH, *others, PROXY):
            undo.callback(self.stop, name)
        self.start(AUTH)
        with ThreadPoolExecutor(max_workers=len(others)) as together:
            list(together.map(self.start, others))
        self.start(PROXY)

    def _migrate(self, shared: Mapping[str, str]) -> None:
        log.info("migrating the database")
        folder = self._folder(MIGRATE)
        environment = {**shared, "STENTOR_DATA_DIR": str(folder / "data"), **self._settings}
        Child(Command(self._argvs[MIGRATE], directory=folder, environment=environment)).wait_for_success()

    def _shared_environment(self) -> dict[str, str]:
        return {
            **os.environ,
            # A killed process would take what it last said with it.
            "PYTHONUNBUFFERED": "1",
            "STENTOR_DATABASE_URL": self.servers.database_url(self._lasting_name),
            "STENTOR_QUEUE_URL": self.servers.queue_url(self._lasting_name),
            "STENTOR_STORE_URL": self.servers.store_url(self._lasting_name),
            "STENTOR_PUBLIC_URL": self.url,
            "STENTOR_SECRET_KEY": self._secret_key(),
            "STENTOR_STT_MODEL_DIR": str(self._folder("models")),
            "STENTOR_TTS_MODEL_DIR": str(self._folder("models")),
            "STENTOR_SUMMARIZE_MODEL_DIR": str(self._folder("models")),
            "STENTOR_AUTH_SIGNING_KEY_FILE": str(self._folder("keys") / "jwt.pem"),
            "STENTOR_LOG_FORMAT": "json",
        }

    def _secret_key(self) -> str:
        """Kept with the data: what it has encrypted must be readable after the next start."""
        path = self._folder("keys") / "secret.key"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
        return path.read_text()

    def _folder(self, name: str) -> Path:
        return self.servers.base.resolve() / name


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stentor_dev.distributed", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="where the product answers (default 8080)")
    parser.add_argument("--workers", type=int, default=1, help="speech-to-text workers (default 1)")
    parser.add_argument("--data", type=Path, help="folder to keep everything in (default: nothing is kept)")
    asked = parser.parse_args()
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Distributed(
            asked.data, port=asked.port, argvs=programs(asked.workers, CAPABILITIES)
        ) as distributed:
            while True:
                distributed.check()
                time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    except (MemberDied, NotInstalled, StartFailed) as problem:
        log.error("%s", problem)
        return 1


if __name__ == "__main__":
    sys.exit(main())
