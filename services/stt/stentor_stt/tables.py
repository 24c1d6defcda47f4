"""Tables of speech to text."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime


class Vocabulary(Base):
    """Hot-words and spellings that a user saved under a name."""

    __tablename__ = "stt_vocabulary"
    __table_args__ = (UniqueConstraint("owner_id", "name", name="uq_stt_vocabulary_owner_id_name"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(String(64))
    hotwords: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    spelling: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    modified_at: Mapped[datetime] = mapped_column(UtcDateTime)


class HeardPiece(Base):
    """A part of a recording that was heard, while its transcription is not over."""

    __tablename__ = "stt_piece"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted from 0 in the order in which the recording is cut."""
    channel: Mapped[int | None]
    start_sample: Mapped[int] = mapped_column(BigInteger)
    end_sample: Mapped[int] = mapped_column(BigInteger)
    heard: Mapped[dict[str, Any]] = mapped_column(JSON)
