"""How a text is put to models that were trained to turn texts into others: BART, T5, Pegasus and so on."""

from __future__ import annotations

from typing import Any

from stentor_summarize.engines import Wanted
from stentor_summarize.engines.limits import MARGIN, position_limit

UNBOUNDED = 1024
"""Tokens of a passage for models whose positions have no end, as T5's: what they are mostly trained with."""

PREFIXES = {"t5": "summarize: "}
"""What tells a model of this type its task, where its config does not say it."""

NO_REPEAT = 3
"""As many words in a row come once only: such models get into loops."""


class Seq2SeqText:
    """How a text is put to such a model, by its config and tokenizer alone."""

    def __init__(self, config: Any, tokenizer: Any) -> None:
        tasks = getattr(config, "task_specific_params", None) or {}
        named = tasks.get("summarization", {}).get("prefix", getattr(config, "prefix", None))
        self._prefix: str = PREFIXES.get(config.model_type, "") if named is None else named
        around = len(tokenizer(self._prefix)["input_ids"])
        self.limit = (position_limit(config, tokenizer) or UNBOUNDED) - around - MARGIN
        self.answer_limit = (position_limit(config, tokenizer, decoder=True) or UNBOUNDED) - MARGIN

    def put(self, passages: list[str]) -> list[str]:
        return [self._prefix + each for each in passages]


def notes(wanted: Wanted) -> tuple[str, ...]:
    """What of the wishes such a model cannot do."""
    if not wanted.instructions.strip():
        return ()
    return ("this model was trained to summarize and takes no instructions; they were not used",)
