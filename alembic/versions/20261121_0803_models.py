"""What is wanted of models.

Revision ID: 0004_models
Revises: 0003_webhooks
"""

revision = "0004_models"
down_revision = "0003_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None: ...


def downgrade() -> None: ...
