"""What the owner of a deployment sets of its scale and its time."""

import uuid
from typing import Self

from stentor_deploy.packages import Frozen
from stentor_deploy.tables import Deployment


class Tuning(Frozen):
    """None: as the package or the installation says."""

    min_replicas: int | None = None
    max_replicas: int | None = None
    idle_seconds: float | None = None
    predict_seconds: float | None = None
    secrets_version: str = ""
    """Another one after each change of its secrets: what runs with the old ones is started again."""

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls.model_validate(deployment.settings)

    def with_new_secrets(self) -> Self:
        return self.model_copy(update={"secrets_version": uuid.uuid4().hex})
