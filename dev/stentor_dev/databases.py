"""Databases on a PostgreSQL server that is named by URL, made and dropped from synchronous code."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import asyncpg


def create_database(server: str, name: str, *, template: str | None = None) -> str:
    """Make a database, as a copy of `template` if given, and return its URL. Nobody may be using that one."""
    execute(server, f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
    return database_at(server, name)


def drop_database(server: str, name: str) -> None:
    execute(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def has_database(server: str, name: str) -> bool:
    return name in str(execute(server, "SELECT array_agg(datname::text) FROM pg_database"))


def database_at(server: str, name: str) -> str:
    return urlsplit(server)._replace(path=f"/{name}").geturl()


def execute(url: str, statement: str) -> object:
    """Run one statement outside a transaction; the first value of the first row, if there is one."""
    # In a thread of its own: the caller's may already have an event loop that is running.
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(asyncio.run, _execute(url, statement)).result()


def answers(server: str) -> bool:
    """Whether the server takes connections and is past its start or recovery."""
    try:
        execute(server, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def _execute(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg://", "postgresql://", 1), timeout=10)
    try:
        value: object = await connection.fetchval(statement)
        return value
    finally:
        await connection.close()
