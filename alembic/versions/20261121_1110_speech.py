"""Sound of text to speech.

Revision ID: 0007_speech
Revises: 0006_uploads
"""

import sqlalchemy as sa
from alembic import op

revision = "0007_speech"
down_revision = "0006_uploads"
branch_labels = None
depends_on = None

INDEXED = ("store_key", "job_id", "cache_key")


def upgrade() -> None:
    op.create_table(
        "tts_sound",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("store_key", sa.String(length=200), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("cache_key", sa.String(length=64), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tts_sound")),
    )
    for column in INDEXED:
        op.create_index(f"ix_tts_sound_{column}", "tts_sound", [column])


def downgrade() -> None:
    for column in INDEXED:
        op.drop_index(f"ix_tts_sound_{column}", table_name="tts_sound")
    op.drop_table("tts_sound")
