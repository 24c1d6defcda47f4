"""BART, T5, Pegasus and their kin on torch."""

from __future__ import annotations

from typing import Any

import torch

from stentor_summarize.engines import Wanted
from stentor_summarize.engines.limits import Room, drawn_anew
from stentor_summarize.engines.seq2seq_text import NO_REPEAT, Seq2SeqText, notes


class Seq2SeqWriter:
    def __init__(self, model: Any, tokenizer: Any, device: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self._device = device
        self._text = Seq2SeqText(model.config, tokenizer)
        self.answer_limit = self._text.answer_limit
        # As its authors set it: with several beams there is no text before the end.
        self.streams = (model.generation_config.num_beams or 1) == 1

    def token_limit(self, wanted: Wanted) -> int:
        return self._text.limit

    def inputs(self, passages: list[str], wanted: Wanted) -> dict[str, torch.Tensor]:
        texts = self._text.put(passages)
        found = self.tokenizer(
            texts, padding=True, return_tensors="pt", return_token_type_ids=False, verbose=False
        )
        return dict(found.to(self._device))

    def options(self, wanted: Wanted, room: Room) -> dict[str, Any]:
        lengths = {"min_length": 0, "min_new_tokens": room.least, "max_new_tokens": room.most}
        anew = drawn_anew(wanted) if wanted.attempt else {}
        return lengths | {"no_repeat_ngram_size": NO_REPEAT} | anew

    def answers(self, rows: torch.Tensor, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        # The first token only starts the decoder.
        return rows[:, 1:]

    def notes(self, wanted: Wanted) -> tuple[str, ...]:
        return notes(wanted)
