"""Secrets of deployments: kept sealed, given to the model when it starts, never shown again."""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from stentor_common.errors import BadInput
from stentor_common.sealing import Sealer
from stentor_deploy.tables import DeploymentSecret

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
MOST = 50
VALUE_CHARACTERS = 32_768


def check(secrets: Mapping[str, str | None]) -> None:
    """Raises BadInput, without the values."""
    for name, value in secrets.items():
        if not NAME.fullmatch(name):
            raise BadInput(
                f"{name[:64]!r} is no name of a secret: letters, digits, `_`, `.` and `-`, not first a digit",
                param="secrets",
            )
        if value is not None and not 0 < len(value) <= VALUE_CHARACTERS:
            raise BadInput(
                f"the secret {name!r} must have 1 to {VALUE_CHARACTERS} characters", param="secrets"
            )


class SecretRepository:
    def __init__(self, session: AsyncSession, sealer: Sealer) -> None:
        self._session = session
        self._sealer = sealer

    async def put(self, deployment_id: uuid.UUID, secrets: Mapping[str, str | None], now: datetime) -> None:
        """Set those with a value, delete those without. Raises BadInput, SecretKeyMissing."""
        check(secrets)
        gone = [name for name, value in secrets.items() if value is None]
        if gone:
            await self._session.execute(
                delete(DeploymentSecret).where(
                    DeploymentSecret.deployment_id == deployment_id, DeploymentSecret.name.in_(gone)
                )
            )
        for name, value in secrets.items():
            if value is not None:
                sealed = self._sealer.seal(value)
                await self._session.merge(
                    DeploymentSecret(deployment_id=deployment_id, name=name, sealed=sealed, updated_at=now)
                )
        await self._session.flush()
        count = await self._session.scalar(
            select(func.count()).where(DeploymentSecret.deployment_id == deployment_id)
        )
        if (count or 0) > MOST:
            raise BadInput(f"a deployment has at most {MOST} secrets", param="secrets")

    async def listed(self, deployment_id: uuid.UUID) -> Sequence[DeploymentSecret]:
        """By name."""
        query = select(DeploymentSecret).where(DeploymentSecret.deployment_id == deployment_id)
        return (await self._session.scalars(query.order_by(DeploymentSecret.name))).all()

    async def opened(self, deployment_id: uuid.UUID) -> dict[str, str]:
        """Raises Unreadable, SecretKeyMissing."""
        return {each.name: self._sealer.open(each.sealed) for each in await self.listed(deployment_id)}
