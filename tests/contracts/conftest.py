"""Every implementation of a port: the embedded ones, and with `-m live` those on real servers."""

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from stentor_common.db import Database

if TYPE_CHECKING:
    from stentor_dev.servers import Servers


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database with all tables."""
    if request.param == "sqlite":
        empty: Path = request.getfixturevalue("empty_database")
        return f"sqlite+aiosqlite:///{shutil.copy(empty, tmp_path)}"
    servers = cast("Servers", request.getfixturevalue("servers"))
    return servers.database_url(copy_of=request.getfixturevalue("migrated_postgres"))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def bare_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database without a table."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/bare.db"
    return cast("Servers", request.getfixturevalue("servers")).database_url()


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Callable[[], Database]]:
    """Opens the database once more, as another process would."""
    opened: list[Database] = []

    def open_one() -> Database:
        opened.append(Database(database_url))
        return opened[-1]

    yield open_one
    for db in opened:
        await db.close()


@pytest.fixture
def db(connect: Callable[[], Database]) -> Database:
    return connect()
