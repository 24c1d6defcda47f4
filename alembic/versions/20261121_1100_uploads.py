"""Uploads serve all services.

Revision ID: 0006_uploads
Revises: 0005_vocabularies
"""

from alembic import op

revision = "0006_uploads"
down_revision = "0005_vocabularies"
branch_labels = None
depends_on = None

INDEXED = ("owner_id", "expires_at")


def upgrade() -> None:
    _rename("stt_upload", "upload")


def downgrade() -> None:
    _rename("upload", "stt_upload")


def _rename(old: str, new: str) -> None:
    for column in INDEXED:
        op.drop_index(f"ix_{old}_{column}", table_name=old)
    op.rename_table(old, new)
    for column in INDEXED:
        op.create_index(f"ix_{new}_{column}", new, [column])
