"""Sequence-to-sequence models by CTranslate2: the faster way on a CPU, with weights of 8 bits."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ctranslate2
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from stentor_summarize.engines import Digest, EngineSettings, Kind, Wanted, Working
from stentor_summarize.engines.converting import converted
from stentor_summarize.engines.limits import ModelUnusable, Room, room
from stentor_summarize.engines.seq2seq_text import NO_REPEAT, Seq2SeqText, notes
from stentor_summarize.engines.silence import silence
from stentor_summarize.engines.weights import folder_of
from stentor_summarize.lengths import goal, word_count
from stentor_summarize.shaping import within

AT_ONCE = 4
"""Passages that are generated beside each other."""

LOOK_SECONDS = 0.02
"""How often somebody who wants to stop it is heard."""


class CTranslate2Engine:
    """A sequence-to-sequence model by its name on the hub or its folder, converted the first time."""

    name = "ctranslate2"
    kind = Kind.abstractive

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._translator: Any = None
        self._tokenizer: Any = None
        self._text: Any = None
        self._beams = 1
        self._length_penalty = 1.0

    def load(self) -> None:
        if self._translator is not None:
            return
        folder = folder_of(self.name, self._settings)
        silence()
        try:
            self._open(folder)
        except (OSError, ValueError, ImportError, KeyError, AttributeError, RuntimeError) as error:
            raise ModelUnusable(
                f"model {self.model} cannot be converted for ctranslate2 ({type(error).__name__}); "
                "use the engine transformers for it"
            ) from error

    def unload(self) -> None:
        self._translator = None
        gc.collect()

    def token_limit(self, wanted: Wanted) -> int:
        limit: int = self._loaded_text().limit
        return limit

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        self._loaded_text()
        found = self._tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return [len(each) for each in found]

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        for start in range(0, len(passages), AT_ONCE):
            yield from self._written(list(passages[start : start + AT_ONCE]), wanted)

    def _written(self, passages: list[str], wanted: Wanted) -> Iterator[Working | Digest]:
        texts = self._loaded_text()
        rooms = [
            room(wanted, word_count(passage), tokens, texts.answer_limit)
            for passage, tokens in zip(passages, self.count_tokens(passages), strict=True)
        ]
        most = Room(min(each.least for each in rooms), max(each.most for each in rooms))
        rows = self._tokenizer(texts.put(passages), verbose=False)["input_ids"]
        tokens = [self._tokenizer.convert_ids_to_tokens(row) for row in rows]
        # It cannot be stopped on its way; whoever wants to go on without it need not wait for its end.
        coming = self._translator.translate_batch(tokens, asynchronous=True, **self._options(wanted, most))
        for passage, each in zip(passages, coming, strict=True):
            while not each.done():
                yield Working()
                time.sleep(LOOK_SECONDS)
            yield self._digest(passage, each.result().hypotheses[0], wanted, most.most)

    def _options(self, wanted: Wanted, most: Room) -> dict[str, Any]:
        options: dict[str, Any] = {
            "beam_size": self._beams,
            "length_penalty": self._length_penalty,
            "no_repeat_ngram_size": NO_REPEAT,
            "min_decoding_length": max(1, most.least),
            "max_decoding_length": most.most,
            # Nothing of a passage is cut off: it has at most `token_limit`.
            "max_input_length": 0,
        }
        if wanted.attempt:
            ctranslate2.set_random_seed(wanted.attempt)
            options |= {
                "beam_size": 1,
                "sampling_topk": 50,
                "sampling_topp": 0.9,
                "sampling_temperature": 0.6,
            }
        return options

    def _digest(self, passage: str, tokens: list[str], wanted: Wanted, most: int) -> Digest:
        ids = self._tokenizer.convert_tokens_to_ids(tokens)
        text = self._tokenizer.decode(ids, skip_special_tokens=True).replace("<n>", "\n")
        aim = goal(wanted.length, word_count(passage), wanted.style)
        kept = within(text, aim, wanted.style, wanted.language, cut_off=len(tokens) >= most)
        return Digest(kept, generated_tokens=len(tokens), warnings=notes(wanted))

    def _open(self, folder: Path) -> None:
        config: Any = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        self._text = Seq2SeqText(config, self._tokenizer)
        if (folder / "generation_config.json").is_file():
            generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
            self._beams = generation.num_beams or 1
            self._length_penalty = float(generation.length_penalty or 1.0)
        weights = converted(folder, self._settings.data_dir / "models")
        cuda = self._settings.device == "cuda" or (
            self._settings.device == "auto" and ctranslate2.get_cuda_device_count() > 0
        )
        dtype = self._settings.dtype
        self._translator = ctranslate2.Translator(
            str(weights),
            device="cuda" if cuda else "cpu",
            compute_type=("float16" if cuda else "int8") if dtype == "auto" else dtype,
            intra_threads=self._settings.threads,
        )

    def _loaded_text(self) -> Seq2SeqText:
        if self._translator is None:
            raise RuntimeError("load() comes before using the engine")
        text: Seq2SeqText = self._text
        return text
