"""Finished parts of transcriptions, so that they can be gone on with.

Revision ID: 0002_pieces
Revises: 0001_first_tables
"""

revision = "0002_pieces"
down_revision = "0001_first_tables"
branch_labels = None
depends_on = None


def upgrade() -> None: ...


def downgrade() -> None: ...
