"""Instruct models as GGUF files by llama.cpp: little memory, and fast on a CPU."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from llama_cpp import Llama

from stentor_common.shelf import ModelNotFound
from stentor_summarize.engines import Digest, EngineSettings, Kind, Wanted, Working
from stentor_summarize.engines.limits import LEAST_PASSAGE, MARGIN, ModelUnusable, room
from stentor_summarize.errors import InstructionsTooLong
from stentor_summarize.lengths import goal, word_count
from stentor_summarize.models import shelves
from stentor_summarize.prompts import Prompt, harmless, prompt
from stentor_summarize.shaping import within

DEFAULT_CONTEXT = 8192
"""Tokens; many models would take more, at a cost in memory and time that grows with it."""

TEMPLATE_TOKENS = 64
"""What the model's template puts around the turns; none of those seen needs half as many."""


class LlamaCppEngine:
    """A model by the folder that holds `model.gguf`, or by the path of any GGUF file."""

    name = "llamacpp"
    kind = Kind.abstractive

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._llama: Any = None

    def load(self) -> None:
        if self._llama is not None:
            return
        file = _file_of(self._settings)
        try:
            self._llama = Llama(
                str(file),
                # 0 is what the model was trained with.
                n_ctx=self._settings.context_tokens or min(_trained_with(file), DEFAULT_CONTEXT),
                n_threads=self._settings.threads or None,
                n_gpu_layers=0 if self._settings.device == "cpu" else -1,
                verbose=False,
            )
        except (ValueError, OSError) as error:
            raise ModelUnusable(f"model {self.model} cannot be loaded by llama.cpp; is it whole?") from error

    def unload(self) -> None:
        self._llama = None
        gc.collect()

    def token_limit(self, wanted: Wanted) -> int:
        context = int(self._loaded().n_ctx())
        # The further try is told the most.
        asked = self._prompt("", replace(wanted, attempt=1))
        around = sum(self.count_tokens([asked.system, asked.user])) + TEMPLATE_TOKENS
        limit = context - around - context // 4 - MARGIN
        if limit < LEAST_PASSAGE:
            taken = self.count_tokens([wanted.instructions])[0]
            raise InstructionsTooLong(taken, max(0, taken + limit - LEAST_PASSAGE))
        return limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        llama = self._loaded()
        return [len(llama.tokenize(each.encode(), add_bos=False, special=False)) for each in texts]

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        for passage in passages:
            yield from self._written(passage, wanted, streamed=last and len(passages) == 1)

    def _written(self, passage: str, wanted: Wanted, *, streamed: bool) -> Iterator[str | Working | Digest]:
        llama = self._loaded()
        asked = self._prompt(passage, wanted)
        limit = int(llama.n_ctx()) // 4
        most = room(wanted, word_count(passage), self.count_tokens([passage])[0], limit).most
        answer = llama.create_chat_completion(
            [{"role": "system", "content": asked.system}, {"role": "user", "content": asked.user}],
            max_tokens=most,
            temperature=0.6 if wanted.attempt else 0.0,
            seed=wanted.attempt,
            stream=True,
        )
        text, tokens = "", 0
        for part in answer:
            piece = part["choices"][0]["delta"].get("content") or ""
            text, tokens = text + piece, tokens + 1
            yield piece if streamed and piece else Working()
        aim = goal(wanted.length, word_count(passage), wanted.style)
        kept = within(text, aim, wanted.style, wanted.language, cut_off=tokens >= most)
        yield Digest(kept, generated_tokens=tokens)

    def _prompt(self, passage: str, wanted: Wanted) -> Prompt:
        wanted = replace(wanted, instructions=harmless(wanted.instructions))
        return prompt(harmless(passage), wanted, source_words=word_count(passage), mark=secrets.token_hex(4))

    def _loaded(self) -> Any:
        if self._llama is None:
            raise RuntimeError("load() comes before using the engine")
        return self._llama


def _file_of(settings: EngineSettings) -> Path:
    """Raises ModelNotFound."""
    path = Path(settings.model).expanduser()
    if path.is_absolute() and path.is_file():
        return path
    folder = shelves("llamacpp", settings.data_dir)[0].locate(settings.model)
    found = sorted(folder.glob("*.gguf"))
    if not found:
        raise ModelNotFound(f"there is no GGUF file for model {settings.model}")
    return found[0]


def _trained_with(file: Path) -> int:
    """Tokens of context, read from the file without its weights."""
    bare = Llama(str(file), vocab_only=True, verbose=False)
    lengths = [int(value) for name, value in bare.metadata.items() if name.endswith(".context_length")]
    return lengths[0] if lengths else DEFAULT_CONTEXT
