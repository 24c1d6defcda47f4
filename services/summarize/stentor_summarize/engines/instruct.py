"""Models that are told in words what to do: causal language models with a template for turns."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

import torch
from jinja2 import TemplateError

from stentor_summarize.engines import Wanted
from stentor_summarize.engines.limits import (
    LEAST_PASSAGE,
    MARGIN,
    Room,
    drawn_anew,
    position_limit,
)
from stentor_summarize.errors import InstructionsTooLong
from stentor_summarize.lengths import word_count
from stentor_summarize.prompts import harmless, plain, prompt

DEFAULT_CONTEXT = {"cpu": 8192, "cuda": 32768}
"""Tokens; many models would take more, at a cost in memory and time that grows with it."""


class InstructWriter:
    streams = True

    def __init__(self, model: Any, tokenizer: Any, device: str, context_tokens: int) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._device = device
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        tokenizer.padding_side = "left"
        own = position_limit(model.config, tokenizer) or DEFAULT_CONTEXT[device.partition(":")[0]]
        self._context = min(own, context_tokens or DEFAULT_CONTEXT[device.partition(":")[0]])
        self.answer_limit = self._context // 4
        added = tokenizer.added_tokens_decoder.values()
        self._control = frozenset(str(each) for each in added if each.special) | set(
            tokenizer.all_special_tokens
        )

    def token_limit(self, wanted: Wanted) -> int:
        # The further try is told the most.
        around = len(self._ids("", replace(wanted, attempt=1)))
        limit = self._context - around - self.answer_limit - MARGIN
        if limit < LEAST_PASSAGE:
            taken = len(self.tokenizer(wanted.instructions, add_special_tokens=False)["input_ids"])
            raise InstructionsTooLong(taken, max(0, taken + limit - LEAST_PASSAGE))
        return limit

    def inputs(self, passages: list[str], wanted: Wanted) -> dict[str, torch.Tensor]:
        rows = [self._ids(each, wanted) for each in passages]
        return dict(self.tokenizer.pad({"input_ids": rows}, return_tensors="pt").to(self._device))

    def options(self, wanted: Wanted, room: Room) -> dict[str, Any]:
        return drawn_anew(wanted) | {
            "max_new_tokens": room.most,
            "num_beams": 1,
            "pad_token_id": self.tokenizer.pad_token_id,
        }

    def answers(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        return rows[:, inputs["input_ids"].shape[1] :]

    def notes(self, wanted: Wanted) -> tuple[str, ...]:
        return ()

    def _ids(self, passage: str, wanted: Wanted) -> list[int]:
        text = harmless(passage, self._control)
        wanted = replace(wanted, instructions=harmless(wanted.instructions, self._control))
        asked = prompt(text, wanted, source_words=word_count(passage), mark=secrets.token_hex(4))
        if not self.tokenizer.chat_template:
            found: list[int] = self.tokenizer(plain([asked.system, asked.user]), verbose=False)["input_ids"]
            return found
        try:
            return self._templated([("system", asked.system), ("user", asked.user)])
        except TemplateError:
            # Some templates know no system's turn.
            return self._templated([("user", f"{asked.system}\n\n{asked.user}")])

    def _templated(self, turns: list[tuple[str, str]]) -> list[int]:
        messages = [{"role": role, "content": content} for role, content in turns]
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        found: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found
