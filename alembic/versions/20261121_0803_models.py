"""What is wanted of models, and what they do in each process.

Revision ID: 0004_models
Revises: 0003_webhooks
"""

import sqlalchemy as sa
from alembic import op

revision = "0004_models"
down_revision = "0003_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_wish",
        sa.Column("model", sa.String(length=200), nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("model", name=op.f("pk_model_wish")),
    )
    with op.batch_alter_table("offer") as batch_op:
        batch_op.add_column(sa.Column("status", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("offer") as batch_op:
        batch_op.drop_column("status")
    op.drop_table("model_wish")
