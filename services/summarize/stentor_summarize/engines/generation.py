"""A model's `generate` as an iterator that can be closed."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList, TextStreamer

from stentor_summarize.engines import Working


@dataclass(frozen=True, slots=True)
class Tokens:
    """All that was generated, a row for each input; with the prompt where the model repeats that."""

    rows: torch.Tensor


class Generation:
    """One run of `generate`, in a thread of its own, which the iterator outlives by a token at most."""

    def __init__(self, model: Any, streamed_by: Any | None, **arguments: Any) -> None:
        """`streamed_by` is the tokenizer that turns tokens into pieces of text, for a single row without
        beams; None to get none. Other arguments are those of `generate`."""
        self._found: queue.SimpleQueue[str | Working | Tokens | BaseException] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._model = model
        self._arguments = arguments | {"stopping_criteria": StoppingCriteriaList([_Pulse(self)])}
        if streamed_by is not None:
            self._arguments["streamer"] = _Pieces(streamed_by, self)

    def __iter__(self) -> Iterator[str | Working | Tokens]:
        thread = threading.Thread(target=self._run, name="generation", daemon=True)
        thread.start()
        try:
            while True:
                item = self._found.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
                if isinstance(item, Tokens):
                    return
        finally:
            self._stopped.set()
            thread.join()

    def _run(self) -> None:
        try:
            with torch.inference_mode():
                rows = self._model.generate(**self._arguments)
            self._found.put(Tokens(rows))
        except BaseException as error:
            self._found.put(error)

    def note(self, item: str | Working) -> None:
        self._found.put(item)

    @property
    def stopped(self) -> bool:
        return self._stopped.is_set()


class _Pulse(StoppingCriteria):
    """Asked after each token: tells that the model is at work, and stops it."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        self._generation.note(Working())
        return torch.full((input_ids.shape[0],), self._generation.stopped, device=input_ids.device)


class _Pieces(TextStreamer):
    """Whole words of the answer as they come."""

    def __init__(self, tokenizer: Any, generation: Generation) -> None:
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._generation = generation

    def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
        if text:
            self._generation.note(text)
