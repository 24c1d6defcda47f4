"""Tables of pipelines."""

import uuid
from typing import Any

from sqlalchemy import JSON, ForeignKey, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base


class PipelineStep(Base):
    """A step that has begun, or that is taken over from the pipeline that this one runs again."""

    __tablename__ = "pipeline_step"

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Counted from 0."""
    child_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    """The job that does it. It may be gone before the step's output is."""
    output: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    """What the next step gets; None until it is there."""
