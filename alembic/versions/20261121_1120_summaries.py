"""Summaries: texts to be deleted with their jobs, and what is written so far.

Revision ID: 0008_summaries
Revises: 0007_speech
"""

import sqlalchemy as sa
from alembic import op

revision = "0008_summaries"
down_revision = "0007_speech"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "summary_input",
        sa.Column("upload_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("upload_id", name=op.f("pk_summary_input")),
    )
    op.create_table(
        "summary_part",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("draft", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_summary_part_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "draft", "number", name=op.f("pk_summary_part")),
    )


def downgrade() -> None:
    op.drop_table("summary_part")
    op.drop_table("summary_input")
