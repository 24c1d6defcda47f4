"""Webhooks and their deliveries.

Revision ID: 0003_webhooks
Revises: 0002_pieces
"""

revision = "0003_webhooks"
down_revision = "0002_pieces"
branch_labels = None
depends_on = None


def upgrade() -> None: ...


def downgrade() -> None: ...
