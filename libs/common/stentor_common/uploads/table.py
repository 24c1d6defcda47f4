"""Files that clients sent before, or with, the request they are for."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime


class Upload(Base):
    """A file that was sent to us. The row comes before the object, so that no object is forgotten."""

    __tablename__ = "upload"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    owner_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, index=True)
    filename: Mapped[str] = mapped_column(String(255))
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """None until all of it has come."""
    sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)

    @property
    def store_key(self) -> str:
        return store_key(self.id)


def store_key(upload_id: uuid.UUID | str) -> str:
    """Where the bytes of an upload are in the store."""
    return f"uploads/{upload_id}"
