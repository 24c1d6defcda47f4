"""Migrations only add what the release before can live with: its processes work on while they run, and on the
new schema after that.

What the SQL of each says for PostgreSQL decides. A migration that takes something away names, as
`contract_since`, the first version whose code does without; it is allowed into those after that.
"""

import io
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from packaging.version import Version

from stentor_common.migrate import SCRIPTS

BEFORE_ANY_RELEASE = {"0006_uploads"}
"""It renames a table. No release had the old name."""

MIGRATIONS = {each.revision: each.module for each in ScriptDirectory(str(SCRIPTS)).walk_revisions()}
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]

TABLE = re.compile(r"(?:CREATE TABLE|ALTER TABLE|INSERT INTO|UPDATE|COMMENT ON TABLE) (\w+)")
INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (CONCURRENTLY )?.*? ?ON (\w+)")
COLUMN = re.compile(
    r"ALTER TABLE \w+ ADD COLUMN (?!.*\b(?:REFERENCES|UNIQUE|CHECK|GENERATED)\b)(.*)", re.DOTALL
)
HARMLESS = ("COMMIT", "BEGIN", "COMMENT ON")


def sql_of(upgrade: Callable[[], None]) -> list[str]:
    """The statements that it would send to PostgreSQL."""
    written = io.StringIO()
    offline = {"as_sql": True, "output_buffer": written}
    with Operations.context(MigrationContext.configure(dialect_name="postgresql", opts=offline)):
        upgrade()
    return [each.strip() for each in written.getvalue().split(";\n") if each.strip()]


def refused(statements: Sequence[str]) -> list[str]:
    """Those that the release before may not live with, or that would keep it waiting."""
    made: set[str] = set()
    found = []
    for each in statements:
        if each.startswith("CREATE TABLE"):
            made |= set(TABLE.findall(each))
        elif not (each.startswith(HARMLESS) or _is_of(made, each) or _adds(each)):
            found.append(each)
    return found


def _is_of(made: set[str], statement: str) -> bool:
    """Whether it is about a table that nobody uses yet."""
    index = INDEX.match(statement)
    table = index.group(3) if index else next(iter(TABLE.findall(statement)), None)
    return table in made


def _adds(statement: str) -> bool:
    if index := INDEX.match(statement):
        # Others keep writers waiting until they are built, and a unique one refuses what was allowed.
        return bool(index.group(2)) and not index.group(1)
    column = COLUMN.match(statement)
    return column is not None and ("NOT NULL" not in column.group(1) or "DEFAULT" in column.group(1))


def wrong_with(migration: ModuleType, version: str) -> list[str]:
    """What keeps this migration out of a release of that version."""
    since: str | None = getattr(migration, "contract_since", None)
    if since is None:
        return refused(sql_of(migration.upgrade))
    if Version(version) > Version(since):
        return []
    return [f"processes of {since} do without what this takes away: it may come with the version after that"]


@pytest.mark.parametrize("revision", sorted(set(MIGRATIONS) - BEFORE_ANY_RELEASE))
def test_a_migration_only_adds(revision: str) -> None:
    assert wrong_with(MIGRATIONS[revision], PROJECT["version"]) == []


@pytest.mark.parametrize("revision", sorted(BEFORE_ANY_RELEASE))
def test_what_is_excused_needs_it(revision: str) -> None:
    assert wrong_with(MIGRATIONS[revision], PROJECT["version"])


def column(name: str = "note", **more: object) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), **more)  # type: ignore[arg-type]


def concurrently() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_job_note", "job", ["note"], postgresql_concurrently=True, if_not_exists=True)


def new_table() -> None:
    op.create_table("thing", column("id", primary_key=True), sa.ForeignKeyConstraint(["id"], ["job.id"]))
    op.create_index("ix_thing_id", "thing", ["id"], unique=True)
    op.create_check_constraint("long", "thing", "length(id) > 3")
    op.execute("INSERT INTO thing (id) VALUES ('first')")


ADDING: dict[str, Callable[[], object]] = {
    "a table with all that belongs to it": new_table,
    "a column that may be empty": lambda: op.add_column("job", column()),
    "a column that the database fills": lambda: op.add_column(
        "job", column(nullable=False, server_default="")
    ),
    "an index that is built beside others": concurrently,
}
CHANGING: dict[str, Callable[[], object]] = {
    "a column dropped": lambda: op.drop_column("job", "stage"),
    "a table dropped": lambda: op.drop_table("job"),
    "an index dropped": lambda: op.drop_index("ix_job_expires_at", "job"),
    "a table renamed": lambda: op.rename_table("job", "task"),
    "a column renamed": lambda: op.alter_column("job", "stage", new_column_name="step"),
    "another type": lambda: op.alter_column("job", "stage", type_=sa.Integer()),
    "a column made obligatory": lambda: op.alter_column("job", "stage", nullable=False),
    "an obligatory column without a default": lambda: op.add_column("job", column(nullable=False)),
    "a column that refers": lambda: op.execute("ALTER TABLE job ADD COLUMN a UUID REFERENCES job(id)"),
    "a constraint": lambda: op.create_check_constraint("positive", "job", "attempts > 0"),
    "a unique constraint": lambda: op.create_unique_constraint("uq_job_stage", "job", ["stage"]),
    "a foreign key": lambda: op.create_foreign_key("fk", "job", "auth_user", ["owner_id"], ["id"]),
    "an index that writers wait for": lambda: op.create_index("ix_job_stage", "job", ["stage"]),
    "a unique index": lambda: op.create_index(
        "ix_job_stage", "job", ["stage"], unique=True, postgresql_concurrently=True
    ),
    "rows changed": lambda: op.execute("UPDATE job SET stage = ''"),
}


@pytest.mark.parametrize("act", ADDING.values(), ids=ADDING)
def test_it_may_add(act: Callable[[], None]) -> None:
    assert refused(sql_of(act)) == []


@pytest.mark.parametrize("act", CHANGING.values(), ids=CHANGING)
def test_it_may_not_change(act: Callable[[], None]) -> None:
    assert refused(sql_of(act))


def test_what_is_taken_away_was_missed_by_no_process_of_the_release_before() -> None:
    migration = ModuleType("migration")
    migration.upgrade = CHANGING["a column dropped"]  # type: ignore[attr-defined]
    assert wrong_with(migration, "0.9")
    migration.contract_since = "0.9"  # type: ignore[attr-defined]
    assert wrong_with(migration, "0.9")
    assert wrong_with(migration, "0.10") == []
