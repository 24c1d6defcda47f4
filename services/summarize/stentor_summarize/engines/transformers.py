"""Any Hugging Face model that writes: sequence-to-sequence models and instruct models, on CPU or CUDA."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from stentor_summarize.engines import Digest, EngineSettings, Kind, Wanted, Working
from stentor_summarize.engines.devices import device_of, set_threads
from stentor_summarize.engines.generation import Generation, Tokens
from stentor_summarize.engines.instruct import InstructWriter
from stentor_summarize.engines.limits import ModelUnusable, Room, room
from stentor_summarize.engines.seq2seq import Seq2SeqWriter
from stentor_summarize.engines.silence import silence
from stentor_summarize.engines.weights import folder_of
from stentor_summarize.engines.writing import Writer
from stentor_summarize.lengths import goal, word_count
from stentor_summarize.shaping import within

AT_ONCE = {"cpu": 4, "cuda": 8}
"""Passages that are generated beside each other."""

_CAUSAL = ("CausalLM", "LMHeadModel", "ConditionalGeneration")


class TransformersEngine:
    """A model by its name on the hub or its folder; what it is, its config says."""

    name = "transformers"
    kind = Kind.abstractive

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._writer: Writer | None = None
        self._device = ""

    def load(self) -> None:
        if self._writer is None:
            set_threads(self._settings.threads)
            self._device = device_of(self._settings.device)
            folder = folder_of(self.name, self._settings)
            silence()
            try:
                self._writer = self._opened(folder)
            except (OSError, ValueError, ImportError, KeyError) as error:
                raise ModelUnusable(
                    f"model {self.model} cannot be loaded by transformers ({type(error).__name__}); "
                    "give a sequence-to-sequence or instruct model, and what its format needs"
                ) from error

    def unload(self) -> None:
        self._writer = None
        gc.collect()
        if self._device.startswith("cuda"):
            torch.cuda.empty_cache()

    def token_limit(self, wanted: Wanted) -> int:
        return self._loaded().token_limit(wanted)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        found = self._loaded().tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(each) for each in found]

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        writer = self._loaded()
        if last and len(passages) == 1:
            yield from self._written(list(passages), wanted, streamed=writer.streams)
            return
        step = AT_ONCE[self._device.partition(":")[0]]
        for start in range(0, len(passages), step):
            yield from self._written(list(passages[start : start + step]), wanted, streamed=False)

    def _written(
        self, passages: list[str], wanted: Wanted, *, streamed: bool
    ) -> Iterator[str | Working | Digest]:
        writer = self._loaded()
        inputs = writer.inputs(passages, wanted)
        rooms = self._rooms(passages, wanted, writer.answer_limit)
        # One length for the batch: passages of one text are about as long.
        most = Room(min(each.least for each in rooms), max(each.most for each in rooms))
        torch.manual_seed(wanted.attempt)
        generation = Generation(
            writer.model,
            writer.tokenizer if streamed else None,
            **inputs,
            **writer.options(wanted, most),
        )
        for item in generation:
            if isinstance(item, Tokens):
                rows = writer.answers(item.rows, inputs)
                for passage, row in zip(passages, rows, strict=True):
                    yield self._digest(passage, row, wanted, most.most)
            else:
                yield item

    def _digest(self, passage: str, row: torch.Tensor, wanted: Wanted, most: int) -> Digest:
        writer = self._loaded()
        # Pegasus writes line breaks so.
        text = writer.tokenizer.decode(row, skip_special_tokens=True).replace("<n>", "\n")
        padding = writer.tokenizer.pad_token_id
        tokens = int((row != padding).sum()) if padding is not None else len(row)
        aim = goal(wanted.length, word_count(passage), wanted.style)
        kept = within(text, aim, wanted.style, wanted.language, cut_off=tokens >= most)
        return Digest(kept, generated_tokens=tokens, warnings=writer.notes(wanted))

    def _rooms(self, passages: list[str], wanted: Wanted, limit: int) -> list[Room]:
        counts = self.count_tokens(passages)
        return [
            room(wanted, word_count(passage), tokens, limit)
            for passage, tokens in zip(passages, counts, strict=True)
        ]

    def _opened(self, folder: Path) -> Writer:
        # Never code from a model's folder: weights and configs only.
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        seq2seq = bool(getattr(config, "is_encoder_decoder", False))
        if not seq2seq and not any(kind in name for name in config.architectures or () for kind in _CAUSAL):
            raise ModelUnusable(
                f"model {self.model} does not write text: give a sequence-to-sequence or instruct model"
            )
        family: Any = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
        model = family.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, dtype=self._dtype()
        )
        model = model.to(self._device).eval()
        if seq2seq:
            return Seq2SeqWriter(model, tokenizer, self._device)
        return InstructWriter(model, tokenizer, self._device, self._settings.context_tokens)

    def _dtype(self) -> Any:
        if self._settings.dtype != "auto":
            return getattr(torch, self._settings.dtype)
        return torch.float32 if self._device == "cpu" else "auto"

    def _loaded(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("load() comes before using the engine")
        return self._writer
