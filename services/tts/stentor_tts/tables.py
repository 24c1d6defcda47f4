"""Tables of text to speech."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime


class Sound(Base):
    """A claim to sound in the store: that of a job, or of the cache. Several may be to the same object, which
    goes with the last one. The row comes before the object, so that no object is forgotten."""

    __tablename__ = "tts_sound"

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    store_key: Mapped[str] = mapped_column(String(200), index=True)
    job_id: Mapped[uuid.UUID | None] = mapped_column(Uuid, index=True)
    """The job whose result it is. Without one it is in the cache."""
    cache_key: Mapped[str | None] = mapped_column(String(64), index=True)
    """What was asked for, hashed: the same request is answered with it."""
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    """None until all of it is there."""
    facts: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What there is to tell of it, see `stentor_tts.sounds.Facts`."""
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it was made, or asked for last."""
