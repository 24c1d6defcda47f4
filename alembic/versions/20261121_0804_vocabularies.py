"""Named vocabularies.

Revision ID: 0005_vocabularies
Revises: 0004_models
"""

revision = "0005_vocabularies"
down_revision = "0004_models"
branch_labels = None
depends_on = None


def upgrade() -> None: ...


def downgrade() -> None: ...
