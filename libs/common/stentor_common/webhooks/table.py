"""Webhooks, and the secrets that sign them. Neither can be read without the installation's key."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime


class WebhookState(StrEnum):
    pending = "pending"
    """The job is not over, or the next attempt is due or waits for its time."""
    delivered = "delivered"
    """Answered with a status of the 200s."""
    failed = "failed"
    """Refused, or tried often enough."""


class Webhook(Base):
    """At most one for a job, and gone with it. It is due when `next_at` has come and its job is over."""

    __tablename__ = "webhook"
    __table_args__ = (Index("ix_webhook_state_next_at", "state", "next_at"),)

    job_id: Mapped[uuid.UUID] = mapped_column(
        Uuid, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True
    )
    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    style: Mapped[str] = mapped_column(String(32))
    target: Mapped[str] = mapped_column(Text)
    """Sealed: a URL and headers may hold secrets."""
    state: Mapped[WebhookState] = mapped_column(String(16))
    tries: Mapped[int]
    """Attempts begun since it was asked for (again)."""
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Not before; while it is being sent: when it is believed that the sender has died."""
    claim_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The attempt under way. One that lost its claim writes nothing any more."""
    attempts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    """The latest attempts, oldest first."""


class WebhookSecret(Base):
    __tablename__ = "webhook_secret"
    # The slot bounds how many there are, however many requests come at once.
    __table_args__ = (UniqueConstraint("owner_id", "slot"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    slot: Mapped[int]
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
