"""Named vocabularies.

Revision ID: 0005_vocabularies
Revises: 0004_models
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_vocabularies"
down_revision = "0004_models"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stt_vocabulary",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("hotwords", sa.JSON(), nullable=False),
        sa.Column("spelling", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stt_vocabulary")),
        sa.UniqueConstraint("owner_id", "name", name="uq_stt_vocabulary_owner_id_name"),
    )


def downgrade() -> None:
    op.drop_table("stt_vocabulary")
