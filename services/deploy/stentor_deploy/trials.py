"""What trying a revision has shown. Kept as JSON with it."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from stentor_deploy.packages import Frozen, Note


class Batching(StrEnum):
    """Why calls are joined, or are not."""

    declared = "declared"
    """The package says that lists may be joined."""
    proved = "proved"
    """Joined inputs gave the same answers as each by itself."""
    unlike = "unlike"
    """They did not."""
    untried = "untried"
    """There are no two examples that are lists."""
    off = "off"
    """It is not done for this kind of model, or here."""


class Example(Frozen):
    input: Any
    output: Any = None
    """None where it was too long to be kept."""
    kept: bool = True
    """Whether the output was kept."""
    seconds: float = 0
    expected: bool | None = None
    """Whether the answer was the expected one; None where the package does not say what to expect."""


class Trial(Frozen):
    load_seconds: float = 0
    memory_bytes: int = 0
    methods: tuple[str, ...] = ()
    """Besides `predict`."""
    streams: bool = False
    batch: int = 1
    """Most calls joined into one."""
    batching: Batching = Batching.off
    examples: tuple[Example, ...] = ()
    isolation: tuple[str, ...] = ()
    not_isolated: dict[str, str] = Field(default_factory=dict)
    """Layer to the reason it could not be applied."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of the distributions that the model imports."""
    notes: tuple[Note, ...] = ()
