"""What sentences mean, as rows of numbers: a BERT-like model and the mean of its last layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from stentor_summarize.engines.silence import silence

TOKENS_AT_ONCE = {"cpu": 1024, "cuda": 32768}
"""Of a batch, with its padding. On a few cores more is slower."""

MOST_TOKENS = 256
"""Of one input: what these models were trained with. Longer sentences are read in parts."""


class SentenceEmbedder:
    """A model of the sentence-transformers family, without that library."""

    def __init__(self, folder: Path, device: str) -> None:
        """Reads the weights; blocking."""
        silence()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        self._model: Any = model.to(device).eval()
        self.width = int(model.config.hidden_size)
        """Numbers in a row."""

        self._device = device
        self._before, self._after = _around(self._tokenizer)
        self._room = MOST_TOKENS - len(self._before) - len(self._after)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(each) for each in self._ids(texts)]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """A row of length 1 for each text, in order."""
        parts = [(index, part) for index, ids in enumerate(self._ids(texts)) for part in self._parts(ids)]
        rows = np.zeros((len(texts), self.width), dtype=np.float32)
        for batch in _batches(parts, TOKENS_AT_ONCE[self._device.partition(":")[0]]):
            for (index, ids), row in zip(batch, self._means([ids for _, ids in batch]), strict=True):
                rows[index] += row * len(ids)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms, 1e-9), dtype=np.float32)

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        found: list[list[int]] = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)[
            "input_ids"
        ]
        return found

    def _parts(self, ids: list[int]) -> list[list[int]]:
        return [ids[at : at + self._room] for at in range(0, max(1, len(ids)), self._room)]

    def _means(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        inputs = [[*self._before, *ids, *self._after] for ids in rows]
        padded = self._tokenizer.pad({"input_ids": inputs}, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            states = self._model(**padded).last_hidden_state
            mask = padded["attention_mask"].unsqueeze(-1).to(states.dtype)
            means = (states * mask).sum(1) / mask.sum(1)
            return np.asarray(torch.nn.functional.normalize(means, dim=1).float().cpu().numpy())


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The tokens that the model expects before and after a text."""
    bare: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole: list[int] = tokenizer("a")["input_ids"]
    start = next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def _batches(parts: list[tuple[int, list[int]]], tokens: int) -> Iterator[list[tuple[int, list[int]]]]:
    """Inputs of about the same length together, so that little is padding."""
    batch: list[tuple[int, list[int]]] = []
    for part in sorted(parts, key=lambda each: -len(each[1])):
        if batch and (len(batch) + 1) * len(batch[0][1]) > tokens:
            yield batch
            batch = []
        batch.append(part)
    if batch:
        yield batch
