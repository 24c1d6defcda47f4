"""Steps of pipelines.

Revision ID: 0009_pipelines
Revises: 0008_summaries
"""

import sqlalchemy as sa
from alembic import op

revision = "0009_pipelines"
down_revision = "0008_summaries"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pipeline_step",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("child_id", sa.Uuid(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["job_id"], ["job.id"], name=op.f("fk_pipeline_step_job_id_job"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_pipeline_step")),
    )


def downgrade() -> None:
    op.drop_table("pipeline_step")
