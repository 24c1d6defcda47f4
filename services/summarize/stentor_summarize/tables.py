"""Tables of summaries."""

import uuid

from sqlalchemy import ForeignKey, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base


class SummaryInput(Base):
    """A text or document that came with a job and goes with its end. It outlives a job that is deleted, so
    that nothing is forgotten."""

    __tablename__ = "summary_input"

    upload_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    job_id: Mapped[uuid.UUID] = mapped_column(Uuid)


class SummaryPart(Base):
    """A piece of a summary's text, while it is being written."""

    __tablename__ = "summary_part"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    draft: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted from 0; a text that is given up is followed by a new draft."""
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted from 0 within the draft."""
    text: Mapped[str] = mapped_column(Text)
