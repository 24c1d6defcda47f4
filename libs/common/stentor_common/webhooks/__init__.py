"""Telling somebody's server that a job is over: what is asked for, how it looks, and that it arrives.

`intake` accepts a wish, `table` and `repository` keep it, `delivery` sends it, `attempt` is one try,
`signing` proves that it is ours, `schedule` says when to try again, `api` shows all that to its owner.
"""

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stentor_common.jobs.table import Job
    from stentor_common.runtime import Runtime

STANDARD = "standard"
"""The style that every kind of job has."""


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the outcome of a job is sent, and in whose words.

    `style` names an entry of `Service.callbacks`; `standard` is ours, signed as standardwebhooks.com says.
    """

    url: str
    style: str = STANDARD
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    """Sent along as they are: some contracts let the caller choose a header to be known by."""
    signed: bool = True
    """Refused when its owner has no secret to sign with. Otherwise it is signed if there is one: clients
    of some contracts know nothing of signatures."""


Render = Callable[["Runtime", "Job"], Awaitable[Mapping[str, Any]]]
"""The body that tells of a job that is over, as JSON will hold it."""


@dataclass(frozen=True, slots=True)
class CallbackStyle:
    """How a contract tells of the end of a job."""

    render: Render
    stops_at: Container[int] = frozenset({410})
    """Statuses of an answer after which no further one is sent; any other that is not 2xx is tried again."""
