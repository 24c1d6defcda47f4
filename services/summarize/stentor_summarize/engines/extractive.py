"""Summaries of the text's own sentences, chosen by their embeddings: fast, and never wrong about a fact."""

from __future__ import annotations

import gc
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from stentor_summarize.engines import Digest, EngineSettings, Kind, Style, Wanted, Working
from stentor_summarize.engines.devices import device_of, set_threads
from stentor_summarize.engines.embedding import SentenceEmbedder
from stentor_summarize.engines.weights import folder_of
from stentor_summarize.extractive import chosen, headline_words
from stentor_summarize.lengths import goal, word_count
from stentor_summarize.minutes import LANGUAGE, Minutes, minutes_of
from stentor_summarize.models import canonical
from stentor_summarize.sentences import Sentence, sentences_of

PASSAGE_TOKENS = 1000
"""How much is read between two reports of progress; the engine itself has no limit."""

SENTENCES_AT_ONCE = 512


class ExtractiveEngine:
    name = "extractive"
    kind = Kind.extractive

    def __init__(self, settings: EngineSettings) -> None:
        self.model = canonical(settings.model)
        self._settings = settings
        self._embedder: SentenceEmbedder | None = None

    def load(self) -> None:
        if self._embedder is None:
            set_threads(self._settings.threads)
            folder = folder_of(self.name, self._settings)
            self._embedder = SentenceEmbedder(folder, device_of(self._settings.device))

    def unload(self) -> None:
        self._embedder = None
        gc.collect()

    def token_limit(self, wanted: Wanted) -> int:
        return PASSAGE_TOKENS

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._loaded().count_tokens(texts)

    def digest(self, passages: Sequence[str], wanted: Wanted, last: bool) -> Iterator[str | Working | Digest]:
        text = "".join(passages)
        sentences = sentences_of(text, wanted.language)
        ends = list(accumulate(map(len, passages)))
        vectors = np.empty((len(sentences), self._loaded().width), dtype=np.float32)
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            some = sentences[start : start + SENTENCES_AT_ONCE]
            vectors[start : start + len(some)] = self._loaded().embed([each.text for each in some])
            yield Working(passages=bisect_right(ends, some[-1].end))
        yield digest_of(sentences, vectors, wanted)

    def _loaded(self) -> SentenceEmbedder:
        if self._embedder is None:
            raise RuntimeError("load() comes before using the engine")
        return self._embedder


def digest_of(sentences: Sequence[Sentence], vectors: np.ndarray, wanted: Wanted) -> Digest:
    """The summary that the sentences' embeddings make, in the style that is wanted."""
    minutes = minutes_of(sentences) if wanted.style is Style.minutes else Minutes((), ())
    stated = {*minutes.decisions, *(task.sentence for task in minutes.action_items)}
    # What stands under its own heading is not said twice.
    others = [index for index in range(len(sentences)) if index not in stated] or list(range(len(sentences)))
    aim = goal(wanted.length, sum(word_count(each.text) for each in sentences), wanted.style)
    picked = chosen([sentences[index] for index in others], vectors[others], aim, wanted.language)
    kept = tuple(others[index] for index in picked)
    texts = [sentences[index].text for index in kept]
    if wanted.style is Style.headline:
        texts = [headline_words(texts[0])]
    return Digest(
        ("\n" if wanted.style is Style.bullets else " ").join(texts),
        sentences=kept,
        action_items=tuple(map(str, minutes.action_items)),
        decisions=tuple(sentences[index].text for index in minutes.decisions),
        warnings=tuple(_notes(wanted)),
    )


def _notes(wanted: Wanted) -> Iterator[str]:
    if wanted.instructions.strip():
        yield "this engine takes the text's own sentences and cannot follow instructions; they were not used"
    if wanted.style is Style.minutes and wanted.language not in (None, LANGUAGE):
        yield "decisions and action items are found in English only; this text was searched all the same"
