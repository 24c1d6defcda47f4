"""The servers a test run or a trial needs: started here, or the ones that the environment names."""

import os
import secrets
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from stentor_dev import buckets, databases, rabbitmq
from stentor_dev.postgres import Postgres
from stentor_dev.process import Server
from stentor_dev.rabbitmq import RabbitMq
from stentor_dev.s3 import S3


class Servers:
    """PostgreSQL, RabbitMQ and S3 for one `with` block.

    Without a folder all is thrown away at the end, and the servers are killed rather than asked. With one the
    data stays, and a later run on that folder finds what was made under a name.

    STENTOR_TEST_DATABASE_URL, STENTOR_TEST_QUEUE_URL and STENTOR_TEST_STORE_URL name servers to use instead;
    the first must let its user create databases, the last create buckets.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._keep = folder is not None
        self.base = folder or Path(tempfile.gettempdir()) / f"stentor-{secrets.token_hex(6)}"
        database, queue, store = (
            os.environ.get(f"STENTOR_TEST_{what}_URL") for what in ("DATABASE", "QUEUE", "STORE")
        )
        self.postgres = None if database else Postgres(self.base / "postgres")
        self.rabbitmq = None if queue else RabbitMq(self.base / "rabbitmq")
        self.s3 = None if store else S3(self.base / "s3")
        self._database = self.postgres.url if self.postgres else str(database)
        self._queue = self.rabbitmq.url if self.rabbitmq else str(queue)
        self._store = self.s3.store_url("") if self.s3 else str(store)
        self._at_exit = ExitStack()

    def own(self) -> dict[str, Server]:
        """By name, the servers that this starts."""
        named = {"postgres": self.postgres, "rabbitmq": self.rabbitmq, "s3": self.s3}
        return {name: server for name, server in named.items() if server}

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self._make_folder(undo)
            if self.rabbitmq:
                rabbitmq.ensure_installed()
            own = self.own().values()
            for server in own:
                undo.callback(server.stop if self._keep else server.kill)
            with ThreadPoolExecutor() as together:
                list(together.map(lambda server: server.start(), own))
            self._at_exit = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_exit.close()

    def database_url(self, name: str | None = None, *, copy_of: str | None = None) -> str:
        """A fresh database, empty or a copy of another of these; with a name, the one that has it already."""
        if name and databases.has_database(self._database, name):
            return databases.database_at(self._database, name)
        made = name or _fresh_name()
        template = urlsplit(copy_of).path.strip("/") if copy_of else None
        url = databases.create_database(self._database, made, template=template)
        if not (name or self.postgres):
            self._at_exit.callback(databases.drop_database, self._database, made)
        return url

    def queue_url(self, name: str | None = None) -> str:
        """A fresh virtual host, or the one of that name; a broker named by the environment as it is."""
        return self.rabbitmq.create_vhost(name or _fresh_name()) if self.rabbitmq else self._queue

    def store_url(self, name: str | None = None) -> str:
        """A fresh bucket, or the one of that name."""
        made = name or _fresh_name()
        url = buckets.create_bucket(self._store, made)
        if not (name or self.s3):
            self._at_exit.callback(buckets.drop_bucket, self._store, made)
        return url

    def _make_folder(self, undo: ExitStack) -> None:
        self.base.mkdir(parents=True, exist_ok=self._keep)
        if not self._keep:
            undo.callback(shutil.rmtree, self.base, ignore_errors=True)
            # PostgreSQL runs as another account when this one is root, and has to get through.
            self.base.chmod(0o711)


def _fresh_name() -> str:
    return f"stentor-{secrets.token_hex(6)}"
