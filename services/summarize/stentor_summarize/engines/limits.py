"""How much a model can read and may write, and whether it can at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from stentor_common.errors import Unavailable
from stentor_summarize.engines import Style, Wanted
from stentor_summarize.lengths import Goal, goal

MARGIN = 16
"""Tokens left free: a text has a few more of them inside a prompt than by itself."""

LEAST_PASSAGE = 64
"""Tokens; with less room for the text there is nothing to summarize."""

LONGEST_SENTENCE = 45
"""Words; room for a sentence when sentences are counted."""

_ENCODER_LIMITS = (
    "max_encoder_position_embeddings",
    "max_position_embeddings",
    "n_positions",
    "max_source_positions",
)
_DECODER_LIMITS = (
    "max_decoder_position_embeddings",
    "max_position_embeddings",
    "n_positions",
    "max_target_positions",
)
_NO_LIMIT = 1_000_000
"""Tokenizers say more than this where nobody set their limit."""


class ModelUnusable(Unavailable):
    """The weights are here and make no summaries."""

    code = "model_unusable"
    retryable = False


@dataclass(frozen=True, slots=True)
class Room:
    """How many tokens an answer may have."""

    least: int
    most: int


def room(wanted: Wanted, passage_words: int, passage_tokens: int, limit: int) -> Room:
    """For a summary of one passage, by the tokens that its own words take. Some more than wanted, so that
    the last sentence comes to its end; what is too much is taken off afterwards."""
    aim = goal(wanted.length, passage_words, wanted.style)
    per_word = min(8.0, max(1.0, passage_tokens / max(1, passage_words)))
    words = _most_words(aim, wanted.style)
    most = min(limit, math.ceil(words * per_word * 1.2) + MARGIN)
    fewest = min(aim.fewest_words, passage_words // 2) if aim.sentences is None else 0
    return Room(min(most // 2, int(fewest * per_word * 0.7)), most)


def _most_words(aim: Goal, style: Style) -> int:
    if style is Style.headline:
        return 30
    words = aim.sentences * LONGEST_SENTENCE if aim.sentences is not None else aim.most_words
    # Headings and points take tokens too.
    return words * 3 // 2 if style is Style.minutes else words


def position_limit(config: Any, tokenizer: Any, *, decoder: bool = False) -> int | None:
    """Most tokens that the model has positions for; None when its config names no limit."""
    text = config.get_text_config(decoder=decoder) if hasattr(config, "get_text_config") else config
    names = _DECODER_LIMITS if decoder else _ENCODER_LIMITS
    found = [getattr(each, name, None) for each in (config, text) for name in names]
    limits = [each for each in found if isinstance(each, int) and each > 0][:1]
    if not decoder and 0 < tokenizer.model_max_length < _NO_LIMIT:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=None)


def drawn_anew(wanted: Wanted) -> dict[str, Any]:
    """Arguments of `generate`: at first the likeliest words, at a further try others."""
    if not wanted.attempt:
        return {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}
    return {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "top_k": 50, "num_beams": 1}
