"""Deployments: models, their revisions, logs, secrets and use.

Revision ID: 0010_deploy
Revises: 0009_pipelines
"""

import sqlalchemy as sa
from alembic import op

revision = "0010_deploy"
down_revision = "0009_pipelines"
branch_labels = None
depends_on = None

COUNTED = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    _deployments()
    _revisions()
    _what_revisions_tell()
    op.create_table(
        "deploy_secret",
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deploy_deployment.id"],
            name=op.f("fk_deploy_secret_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("deployment_id", "name", name=op.f("pk_deploy_secret")),
    )
    op.create_table(
        "deploy_usage",
        sa.Column("hour", TIME, nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        _of_revision("fk_deploy_usage_revision_id"),
        sa.PrimaryKeyConstraint("hour", "revision_id", "user_id", "token_id", name=op.f("pk_deploy_usage")),
    )


def _deployments() -> None:
    op.create_table(
        "deploy_deployment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("traffic", sa.JSON(), nullable=False),
        sa.Column("traffic_before", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("changed", sa.Uuid(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_deployment")),
        sa.UniqueConstraint("name", name=op.f("uq_deploy_deployment_name")),
    )
    op.create_index(
        "ix_deploy_deployment_owner_id_created_at", "deploy_deployment", ["owner_id", "created_at"]
    )


def _revisions() -> None:
    op.create_table(
        "deploy_revision",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("deployment_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason_code", sa.String(64), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("package", sa.JSON(), nullable=True),
        sa.Column("package_bytes", sa.BigInteger(), nullable=True),
        sa.Column("lock", sa.JSON(), nullable=True),
        sa.Column("environment", sa.String(64), nullable=True),
        sa.Column("trial", sa.JSON(), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("ready_at", TIME, nullable=True),
        sa.Column("used_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deploy_deployment.id"],
            name=op.f("fk_deploy_revision_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_revision")),
        sa.UniqueConstraint("deployment_id", "number", name=op.f("uq_deploy_revision_deployment_id_number")),
    )
    op.create_index(op.f("ix_deploy_revision_environment"), "deploy_revision", ["environment"])


def _what_revisions_tell() -> None:
    op.create_table(
        "deploy_event",
        sa.Column("id", COUNTED, nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("code", sa.String(64), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        _of_revision("fk_deploy_event_revision_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_event")),
    )
    op.create_index(op.f("ix_deploy_event_revision_id"), "deploy_event", ["revision_id"])
    op.create_table(
        "deploy_log",
        sa.Column("id", COUNTED, nullable=False),
        sa.Column("revision_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("stream", sa.String(8), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=True),
        sa.Column("line", sa.Text(), nullable=False),
        _of_revision("fk_deploy_log_revision_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deploy_log")),
    )
    op.create_index("ix_deploy_log_revision_id_kind_id", "deploy_log", ["revision_id", "kind", "id"])


def _of_revision(name: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["revision_id"], ["deploy_revision.id"], name=op.f(name), ondelete="CASCADE"
    )


def downgrade() -> None:
    for table in ("usage", "secret", "log", "event", "revision", "deployment"):
        op.drop_table(f"deploy_{table}")
