"""Telling somebody's server that a job is over: what is asked for, how it looks, and that it arrives."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Callback:
    """Where the outcome of a job is sent, and in whose words.

    `style` names an entry of `Service.callbacks`; `standard` is ours, signed as standardwebhooks.com says.
    """

    url: str
    style: str = "standard"
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    """Sent along as they are: some contracts let the caller choose a header to be known by."""
