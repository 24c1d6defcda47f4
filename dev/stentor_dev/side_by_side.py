"""The version before and this one on the same servers: an upgrade, step by step."""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stentor_dev import databases
from stentor_dev.distributed import AUTH, MIGRATE, PATHS, PROXY, STT, Distributed, programs
from stentor_dev.nginx import Nginx
from stentor_dev.process import Child, Command
from stentor_dev.releases import Release
from stentor_dev.service import Service

NEW = "new-"
"""Before the name of a process of this version."""


class SideBySide(Distributed):
    """A `with` block that begins with processes of the version before, by the names of `Distributed`, on a
    database that it has migrated."""

    def __init__(self, release: Release, names: Sequence[str], settings: Mapping[str, str]) -> None:
        self._release = release
        argvs = {MIGRATE: programs()[MIGRATE]} | {name: program(name) for name in names}
        super().__init__(
            argvs={name: release.argv(words) for name, words in argvs.items()}, settings=settings
        )

    def service(self, name: str) -> Service:
        found = self.members[name]
        assert isinstance(found, Service)
        return found

    def migrate(self) -> None:
        """To the schema of this version. Raises StartFailed."""
        folder = self._folder(NEW + MIGRATE)
        environment = {**self.service(STT).environment, "STENTOR_DATA_DIR": str(folder)}
        Child(Command(programs()[MIGRATE], folder, environment)).wait_for_success()

    def start_old(self, name: str) -> None:
        """One more process of the version before."""
        self._begin(name, self._release.argv(program(name)))

    def start_new(self, *names: str) -> None:
        """Processes of this version, or those that have ended; they ask its auth service."""
        if not self.runs(NEW + AUTH):
            self._begin(NEW + AUTH, program(AUTH))
        url = self.service(NEW + AUTH).url
        with ThreadPoolExecutor(max_workers=4) as together:
            made = [
                together.submit(self._begin, NEW + name, program(name), STENTOR_AUTH_URL=url)
                for name in names
            ]
            for each in made:
                each.result()

    def runs(self, name: str) -> bool:
        return name in self.members and self.members[name].child is not None

    def end(self, *names: str) -> dict[str, int | None]:
        """SIGTERM; with which status each ended, or was killed because it did not."""

        def ended(name: str) -> int | None:
            child = self.members[name].child
            assert child
            self.stop(name)
            return child.status

        with ThreadPoolExecutor(max_workers=4) as together:
            return dict(zip(names, together.map(ended, names), strict=True))

    def route(self, *names: Sequence[str]) -> None:
        """Send requests to these from now on, each the processes of one API."""
        ports = {each[0].removeprefix(NEW): [self.service(name).port for name in each] for each in names}
        proxy = self.members[PROXY]
        assert isinstance(proxy, Nginx)
        proxy.change({path: ports[name] for name in ports for path in PATHS[name]})

    def in_database(self, statement: str) -> Any:
        """The first value of the first row."""
        return databases.execute(self.service(STT).environment["STENTOR_DATABASE_URL"], statement)

    def __exit__(self, *raised: Any) -> None:
        for name in [each for each in self.members if each.startswith(NEW)]:
            self.kill(name)
        super().__exit__(*raised)

    def _begin(self, name: str, argv: Sequence[str], **changed: str) -> None:
        if name not in self.members:
            environment = {**self.service(STT).environment, **changed}
            self.members[name] = Service(self._folder(name), argv, environment)
        self.start(name)


def program(name: str) -> tuple[str, ...]:
    """What runs a process of that name."""
    capability, _, rest = name.partition("-")
    return (sys.executable, "-m", f"stentor_{capability}", "worker" if "worker" in rest else "api")
