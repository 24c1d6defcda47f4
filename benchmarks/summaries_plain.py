"""Summaries as the libraries' documents show them, to compare with; and models with random weights.

Such a model writes nonsense as fast as a trained one of its size writes sense: no trained one that summarizes
comes from a package registry.
"""

import time
from pathlib import Path
from typing import Any

import torch
import transformers

SIZES = {"bart-base": "bart", "t5-small": "t5", "llama-135m": "llama"}
"""Models as large as those of these names, but for their vocabulary: the tokenizer is MiniLM's."""


def make_model(name: str, tokenizer_folder: Path, folder: Path) -> None:
    """Writes a model with random weights, and the tokenizer, to a folder."""
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    ids: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    torch.manual_seed(0)
    model: Any
    if name == "bart-base":
        layers: dict[str, Any] = {"encoder_layers": 6, "decoder_layers": 6}
        config: Any = transformers.BartConfig(
            **ids, **layers, d_model=768, decoder_start_token_id=tokenizer.cls_token_id
        )
        config.encoder_ffn_dim = config.decoder_ffn_dim = 3072
        config.encoder_attention_heads = config.decoder_attention_heads = 12
        model = transformers.BartForConditionalGeneration(config)
        # What the published models for summaries are set to.
        model.generation_config.num_beams = 4
    elif name == "t5-small":
        model = transformers.T5ForConditionalGeneration(
            transformers.T5Config(**ids, decoder_start_token_id=tokenizer.pad_token_id)  # type: ignore[call-arg]
        )
    else:
        sizes: dict[str, Any] = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30}
        heads: dict[str, Any] = {"num_attention_heads": 9, "num_key_value_heads": 3}
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**ids, **sizes, **heads))
        tokenizer.chat_template = "{% for turn in messages %}{{ turn.content }}\n{% endfor %}"
        tokenizer.model_max_length = 2048
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Plain:
    """One passage after the other, at the model's own settings."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
        config = transformers.AutoConfig.from_pretrained(folder)
        family: Any = transformers.AutoModelForCausalLM
        if config.is_encoder_decoder:
            family = transformers.AutoModelForSeq2SeqLM
        self._model: Any = family.from_pretrained(folder).eval()

    def write(self, passages: list[str], tokens: int) -> tuple[int, float]:
        """How many tokens were generated, and in how many seconds."""
        started, made = time.perf_counter(), 0
        for passage in passages:
            inputs = self._tokenizer(passage, return_tensors="pt", return_token_type_ids=False)
            rows = self._model.generate(
                **inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
            )
            made += rows.shape[1] - (
                1 if self._model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
            )
        return made, time.perf_counter() - started


class PlainEmbeddings:
    """Sentences in batches of 32 in the order in which they come."""

    def __init__(self, folder: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
        self._model: Any = transformers.AutoModel.from_pretrained(folder).eval()

    def embed(self, sentences: list[str]) -> float:
        """Seconds."""
        started = time.perf_counter()
        for at in range(0, len(sentences), 32):
            some = sentences[at : at + 32]
            inputs = self._tokenizer(some, padding=True, truncation=True, return_tensors="pt")
            with torch.inference_mode():
                states = self._model(**inputs).last_hidden_state
                mask = inputs["attention_mask"].unsqueeze(-1)
                (states * mask).sum(1) / mask.sum(1)
        return time.perf_counter() - started
