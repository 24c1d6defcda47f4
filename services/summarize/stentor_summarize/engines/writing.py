"""What models that write on torch have in common."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from stentor_summarize.engines import Wanted
from stentor_summarize.engines.limits import Room


class Writer(Protocol):
    """A family of models: how it is asked, and how its answer is read."""

    tokenizer: Any
    model: Any
    answer_limit: int
    """Most tokens of an answer."""

    streams: bool
    """Whether pieces of a single answer can be had before its end."""

    def token_limit(self, wanted: Wanted) -> int:
        """Most tokens of a passage. Raises InstructionsTooLong."""

    def inputs(self, passages: list[str], wanted: Wanted) -> dict[str, torch.Tensor]:
        """What `generate` is given, a row for each passage, not cut off."""

    def options(self, wanted: Wanted, room: Room) -> dict[str, Any]:
        """Further arguments of `generate`."""

    def answers(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The new tokens alone."""

    def notes(self, wanted: Wanted) -> tuple[str, ...]:
        """What of the wishes it cannot do."""
