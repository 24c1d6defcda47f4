"""Summaries: what they keep of texts, and how fast they are made, against the bare libraries.

`STENTOR_BENCH_SUMMARY_MODELS` names further models as the service's settings do, with commas between, such as
`transformers:facebook/bart-large-cnn`: what they keep and how fast they are is measured too.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, median
from typing import Any

from machine import peak_mib
from rouge import scores
from summaries_plain import SIZES, make_model

from stentor_common.hosting import ChildProcess
from stentor_summarize.engines import Digest, EngineSettings, Length, Unit, Wanted
from stentor_summarize.engines.hosted import HostedEngine
from stentor_summarize.engines.weights import folder_of
from stentor_summarize.lengths import word_count
from stentor_summarize.sentences import sentences_of
from stentor_summarize.summarizing import Summarizer

TEXTS = Path(__file__).parent / "texts"
THREADS = 2
ROUNDS = 3
LANGUAGES = {"radweg": "de", "biblioteca": "es"}
PASSAGES = 4
TOKENS = 64


def summaries() -> dict[str, Any]:
    # Children find the modules beside this one.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        models = [
            "extractive:minilm",
            *filter(None, os.environ.get("STENTOR_BENCH_SUMMARY_MODELS", "").split(",")),
        ]
        return {
            "kept": {"lead": _kept_by_lead()} | {model: _kept_by(model, data) for model in models},
            "sentences": _embedding(data),
            "writing": {name: _writing(name, data) for name in SIZES},
        }


def _texts() -> Iterator[tuple[str, str, str]]:
    """(name, text, reference) of each."""
    for reference in sorted(TEXTS.glob("*.summary.txt")):
        name = reference.name.removesuffix(".summary.txt")
        yield name, (TEXTS / f"{name}.txt").read_text(), reference.read_text()


def _kept_by_lead() -> dict[str, float]:
    """The first sentences, as many as the reference has words: hard to beat where texts are news."""
    found = []
    for name, text, reference in _texts():
        words = word_count(reference)
        kept = ""
        for sentence in sentences_of(text, LANGUAGES.get(name, "en")):
            if word_count(kept + sentence.text) <= words * 1.15:
                kept += " " + sentence.text
        found.append(scores(kept, reference))
    return _means(found)


def _kept_by(model: str, data: Path) -> dict[str, float]:
    found, seconds, words, doubtful = [], 0.0, 0, 0
    with _engine(model, data) as engine:
        for name, text, reference in _texts():
            wanted = Wanted(Length(Unit.words, word_count(reference)), language=LANGUAGES.get(name, "en"))
            started = time.perf_counter()
            summary = asyncio.run(Summarizer(engine, asyncio.Lock()).summarize(text, wanted))
            seconds += time.perf_counter() - started
            words += summary.source_words
            doubtful += any(each.code == "not_in_source" for each in summary.warnings)
            found.append(scores(summary.text, reference))
    return _means(found) | {
        "texts_with_inventions": doubtful,
        "seconds_for_1000_words": round(seconds / words * 1000, 3),
    }


def _embedding(data: Path) -> dict[str, Any]:
    """A text of 18,000 words: seconds for 1,000 words, ours and the model in batches as they come."""
    text = "\n\n".join([text for _, text, _ in _texts()] * 4)
    words = word_count(text)
    sentences = [each.text for each in sentences_of(text, "en")]
    folder = str(folder_of("extractive", EngineSettings("minilm", data, offline=True)))
    plain = ChildProcess("summaries_plain:PlainEmbeddings", folder, THREADS)
    wanted = Wanted(Length(Unit.words, 200), language="en")
    ours, theirs = [], []
    with _engine("extractive:minilm", data) as engine:
        for _ in range(ROUNDS + 1):
            started = time.perf_counter()
            asyncio.run(Summarizer(engine, asyncio.Lock()).summarize(text, wanted))
            ours.append(time.perf_counter() - started)
            theirs.append(plain.call("embed", sentences))
        memory = peak_mib(engine.pid or 0)
    plain.end()
    return {
        "words": words,
        "seconds_for_1000_words": _per_1000(ours[1:], words),
        "bare_embeddings_alone": _per_1000(theirs[1:], words),
        "peak_mib": memory,
    }


def _writing(name: str, data: Path) -> dict[str, Any]:
    """Four passages of some 350 tokens, 64 tokens written of each: tokens a second."""
    folder = data / name
    make_model(name, folder_of("extractive", EngineSettings("minilm", data, offline=True)), folder)
    passages = [" ".join(text.split()[:250]) for _, text, _ in list(_texts())[:PASSAGES]]
    plain = ChildProcess("summaries_plain:Plain", str(folder), THREADS)
    engines = ["transformers"] + (["ctranslate2"] if SIZES[name] != "llama" else [])
    found: dict[str, list[float]] = {each: [] for each in ("plain", *engines)}
    for _ in range(ROUNDS):
        made, seconds = plain.call("write", passages, TOKENS)
        found["plain"].append(made / seconds)
    plain.end()
    for each in engines:
        with _engine(f"{each}:{folder}", data) as engine:
            for _ in range(ROUNDS):
                found[each].append(_tokens_a_second(engine, passages))
    return {each: round(median(speeds), 1) for each, speeds in found.items()}


def _tokens_a_second(engine: HostedEngine, passages: list[str]) -> float:
    # Random weights hardly ever say that they are done: as many tokens as are allowed, about 64.
    wanted = Wanted(Length(Unit.words, 26), language="en")
    started = time.perf_counter()
    digests = [each for each in engine.digest(passages, wanted, False) if isinstance(each, Digest)]
    return sum(each.generated_tokens for each in digests) / (time.perf_counter() - started)


@contextmanager
def _engine(model: str, data: Path) -> Iterator[HostedEngine]:
    name, _, weights = model.partition(":")
    engine = HostedEngine(name, EngineSettings(weights, data, device="cpu", threads=THREADS))
    engine.load()
    try:
        yield engine
    finally:
        engine.unload()


def _means(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(mean(each[key] for each in found), 3) for key in found[0]}


def _per_1000(seconds: list[float], words: int) -> float:
    return round(median(seconds) / words * 1000, 3)
