"""Migrating while others are at work: several who want to, and a table that somebody uses."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from stentor_common import migrate
from stentor_common.db import Database
from stentor_common.migrate import SchemaInUse, check, upgrade
from stentor_common.testing import eventually
from stentor_dev.servers import Servers

LOOK = text("SELECT count(*) FROM offer")


@pytest.fixture
async def db(bare_database_url: str) -> AsyncIterator[Database]:
    opened = Database(bare_database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def one_column_short(servers: Servers) -> AsyncIterator[Database]:
    """On a server, before a column was added to a table."""
    opened = Database(servers.database_url())
    await upgrade(opened.engine, "0003_webhooks")
    yield opened
    await opened.close()


async def test_a_schema_that_is_ahead_stays_as_it_is(db: Database) -> None:
    """An older release starts on it, after a rollback."""
    await upgrade(db.engine)
    async with db.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = 'of_the_next_release'"))
    await upgrade(db.engine)
    async with db.engine.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == (
            "of_the_next_release"
        )


@pytest.mark.live
async def test_several_may_want_to_migrate_at_once(servers: Servers) -> None:
    url = servers.database_url()
    many = [Database(url) for _ in range(3)]
    await asyncio.gather(*(upgrade(each.engine) for each in many))
    await check(many[0].engine)
    for each in many:
        await each.close()


@pytest.mark.live
async def test_a_migration_that_waits_for_a_table_does_not_keep_others_waiting(
    one_column_short: Database,
) -> None:
    db = one_column_short
    async with db.engine.connect() as slow:
        await slow.execute(LOOK)
        migrating = asyncio.create_task(upgrade(db.engine))

        async def waits() -> bool:
            async with db.engine.connect() as watching:
                return bool(await watching.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))

        await eventually(waits, seconds=10)
        async with asyncio.timeout(migrate.LOCK_SECONDS * 5):
            async with db.engine.connect() as quick:
                assert await quick.scalar(LOOK) == 0
        assert not migrating.done()
    await migrating
    await check(db.engine)


@pytest.mark.live
async def test_a_table_that_is_always_in_use_is_told(
    one_column_short: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.1)
    async with one_column_short.engine.connect() as slow:
        await slow.execute(LOOK)
        with pytest.raises(SchemaInUse, match="pg_stat_activity"):
            await upgrade(one_column_short.engine)
    await upgrade(one_column_short.engine)
    await check(one_column_short.engine)
