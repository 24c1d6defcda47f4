"""Tables of deployments."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Integer, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from stentor_common.db import Base, UtcDateTime
from stentor_deploy.states import RevisionState

COUNTED = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself only what it calls an integer."""

ANYBODY = uuid.UUID(int=0)
"""In place of the user of calls without a token."""


class Deployment(Base):
    """A name under which one or more revisions of a model are called."""

    __tablename__ = "deploy_deployment"
    __table_args__ = (Index("ix_deploy_deployment_owner_id_created_at", "owner_id", "created_at"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    owner_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    description: Mapped[str | None] = mapped_column(Text)
    public: Mapped[bool]
    traffic: Mapped[dict[str, int]] = mapped_column(JSON)
    """Number of a revision to its percent of calls; of all together 100, or none."""
    traffic_before: Mapped[dict[str, int]] = mapped_column(JSON)
    """What it was before the last change: where a rollback goes."""
    settings: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What its owner has set of scale and time, see `tuning.Tuning`."""
    changed: Mapped[uuid.UUID] = mapped_column(Uuid)
    """Another one after each change that calls must know of."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Revision(Base):
    """One package of a deployment. What runs of it never changes."""

    __tablename__ = "deploy_revision"
    __table_args__ = (UniqueConstraint("deployment_id", "number"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    deployment_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deploy_deployment.id", ondelete="CASCADE"))
    number: Mapped[int]
    """Counted from 1 within its deployment."""
    state: Mapped[RevisionState] = mapped_column(String(16))
    reason_code: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(Text)
    """Why it is in this state, where that is not plain."""
    details: Mapped[str | None] = mapped_column(Text)
    """The traceback, for its owner."""
    job_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    """The build."""
    source: Mapped[dict[str, Any]] = mapped_column(JSON)
    """What came and what was said with it, see `sources.Source`."""
    package: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    package_bytes: Mapped[int | None] = mapped_column(BigInteger)
    lock: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    environment: Mapped[str | None] = mapped_column(String(64), index=True)
    """Key of the environment."""
    trial: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What trying it has shown, see `trying.Trial`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When somebody called it last, to about a minute, in whatever process."""


class RevisionEvent(Base):
    """A state that a revision came into."""

    __tablename__ = "deploy_event"

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True)
    revision_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("deploy_revision.id", ondelete="CASCADE"), index=True
    )
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[RevisionState] = mapped_column(String(16))
    code: Mapped[str | None] = mapped_column(String(64))
    message: Mapped[str | None] = mapped_column(Text)


class RevisionLog(Base):
    """A line of the build, or of what the model prints."""

    __tablename__ = "deploy_log"
    __table_args__ = (Index("ix_deploy_log_revision_id_kind_id", "revision_id", "kind", "id"),)

    id: Mapped[int] = mapped_column(COUNTED, primary_key=True)
    revision_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deploy_revision.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(8))
    """`build` or `run`."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    stream: Mapped[str] = mapped_column(String(8))
    request_id: Mapped[str | None] = mapped_column(String(64))
    line: Mapped[str] = mapped_column(Text)


class DeploymentSecret(Base):
    """A secret that a model asks for, sealed."""

    __tablename__ = "deploy_secret"

    deployment_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("deploy_deployment.id", ondelete="CASCADE"), primary_key=True
    )
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class DeploymentUsage(Base):
    """Calls of one hour to one revision by one user."""

    __tablename__ = "deploy_usage"

    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    revision_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("deploy_revision.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    """Who called, or ANYBODY."""
    token_id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    """With which API token, or ANYBODY: signed in, or without one."""
    calls: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    """Time of the model, of all calls together."""
