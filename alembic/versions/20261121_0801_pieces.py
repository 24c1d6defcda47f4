"""Finished parts of transcriptions, so that they can be gone on with.

Revision ID: 0002_pieces
Revises: 0001_first_tables
"""

import sqlalchemy as sa
from alembic import op

revision = "0002_pieces"
down_revision = "0001_first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stt_piece",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("channel", sa.Integer(), nullable=True),
        sa.Column("start_sample", sa.BigInteger(), nullable=False),
        sa.Column("end_sample", sa.BigInteger(), nullable=False),
        sa.Column("heard", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_stt_piece_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_stt_piece")),
    )


def downgrade() -> None:
    op.drop_table("stt_piece")
