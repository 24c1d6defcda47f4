"""A call to a model, and its answer."""

import uuid
from dataclasses import dataclass

from stentor_deploy.running import Payload


@dataclass(frozen=True, slots=True)
class Asked:
    """A call. `revision` is a number or an id; None lets the traffic of the deployment decide."""

    name: str
    """Of the deployment, or its id."""
    payload: Payload
    revision: str | None = None
    method: str = "predict"
    seconds: float | None = None
    """Longest time for the answer once it is its turn, where that is less than the deployment allows."""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Predicted:
    payload: Payload
    deployment: str
    revision: uuid.UUID
    number: int
    seconds: float
    """From the call to its answer."""
