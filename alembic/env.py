"""Runs migrations for every table in the project, on PostgreSQL or SQLite, on the connection it is given."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from stentor_common.db import UtcDateTime
from stentor_common.tables import load_tables


def render(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Migrations outlive our classes: a type of our own is written as what it is to the database."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=load_tables(),
        render_as_batch=True,
        render_item=render,
        compare_type=True,
        # Locks of one migration are not held during the next, and an index may be built beside others.
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
