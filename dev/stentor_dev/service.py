"""One process of the product, as a container would run it: configured by its environment alone."""

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path

from stentor_dev.process import Command, Server


class Service(Server):
    """A process that tells on its port, at /healthz, that it is ready."""

    patience_seconds = 30
    start_seconds: float = 120
    """Loading a model is part of a worker's start."""

    def __init__(self, base: Path, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        super().__init__(base)
        self.argv = argv
        self.environment = environment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = {
            **self.environment,
            "STENTOR_HOST": "127.0.0.1",
            "STENTOR_PORT": str(self.port),
            "STENTOR_DATA_DIR": str(self.base / "data"),
        }
        command = Command(self.argv, directory=self.base, environment=environment)
        self.run(command, self._is_healthy, timeout_seconds=self.start_seconds)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
