"""The default engine: sentences chosen by MiniLM from a package, as it is and in a process of its own."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stentor_common.shelf import ModelNotFound
from stentor_summarize.engines import (
    Digest,
    Engine,
    EngineSettings,
    Kind,
    Length,
    Style,
    Unit,
    Wanted,
    Working,
    make_engine,
)
from stentor_summarize.engines.hosted import HostedEngine
from stentor_summarize.lengths import word_count
from stentor_summarize.sentences import sentences_of
from stentor_summarize.summarizing import Summarizer

pytestmark = pytest.mark.models

TEXTS = Path(__file__).parents[2] / "benchmarks" / "texts"
ARTICLE = (TEXTS / "tidal-mill.txt").read_text()
MEETING = (TEXTS / "museum-meeting.txt").read_text()
SPANISH = (TEXTS / "biblioteca.txt").read_text()


def settings(folder: Path, model: str = "minilm") -> EngineSettings:
    return EngineSettings(model, folder, device="cpu", threads=1, offline=True)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = make_engine("extractive", settings(tmp_path_factory.mktemp("data")))
    made.load()
    yield made
    made.unload()


def wanted(
    amount: float = 3, unit: Unit = Unit.sentences, style: Style = Style.paragraph, **more: str
) -> Wanted:
    return replace(Wanted(Length(unit, amount), style, language="en"), **more)  # type: ignore[arg-type]


def digest(engine: Engine, text: str, asked: Wanted) -> Digest:
    *_, last = engine.digest([text], asked, True)
    assert isinstance(last, Digest)
    return last


def test_it_takes_the_texts_own_sentences_and_cites_them(engine: Engine) -> None:
    found = digest(engine, ARTICLE, wanted(3))
    sentences = sentences_of(ARTICLE, "en")
    assert len(found.sentences) == 3
    assert found.text == " ".join(sentences[index].text for index in found.sentences)
    assert "Harrowby Mill" in found.text or "For eleven months" in found.text


@pytest.mark.parametrize("words", [40, 80, 150])
def test_words_stay_within_the_tolerance(engine: Engine, words: int) -> None:
    assert words * 0.6 <= word_count(digest(engine, ARTICLE, wanted(words, Unit.words)).text) <= words * 1.15


def test_bullets_are_one_sentence_each(engine: Engine) -> None:
    assert len(digest(engine, ARTICLE, wanted(4, style=Style.bullets)).text.splitlines()) == 4


def test_a_headline_is_one_sentence_without_full_stop(engine: Engine) -> None:
    found = digest(engine, ARTICLE, wanted(style=Style.headline))
    assert len(found.sentences) == 1
    assert found.text[-1] != "."


def test_minutes_name_decisions_and_tasks_of_a_meeting(engine: Engine) -> None:
    found = digest(engine, MEETING, wanted(50, Unit.words, Style.minutes))
    assert "Then we decided: the opening moves to the eighteenth of May." in found.decisions
    assert "I will send you a new forecast by Friday. (owner: Marcus; due: by Friday)" in found.action_items


def test_other_languages_are_summarized_and_their_minutes_come_with_a_warning(engine: Engine) -> None:
    found = digest(engine, SPANISH, wanted(2, language="es"))
    assert len(found.sentences) == 2
    assert found.warnings == ()
    assert digest(engine, SPANISH, wanted(2, style=Style.minutes, language="es")).warnings


def test_instructions_it_cannot_follow_are_named(engine: Engine) -> None:
    [note] = digest(engine, ARTICLE, wanted(instructions="Use rhymes.")).warnings
    assert "instructions" in note


def test_passages_are_read_as_one_text_and_counted(engine: Engine) -> None:
    half = ARTICLE.index("Not everybody")
    items = list(engine.digest([ARTICLE[:half], ARTICLE[half:]], wanted(3), True))
    assert [each.passages for each in items if isinstance(each, Working)][-1] == 2
    assert items[-1] == digest(engine, ARTICLE, wanted(3))


def test_alike_sentences_have_alike_meanings_however_long_they_are(tmp_path: Path) -> None:
    from stentor_summarize.engines.embedding import SentenceEmbedder
    from stentor_summarize.engines.weights import folder_of

    embedder = SentenceEmbedder(folder_of("extractive", settings(tmp_path)), "cpu")
    long = "The boat sails to the island each day. " * 60
    rows = embedder.embed(["The ferry goes to the island daily.", "Bread needs time.", "", long])
    assert np.allclose(np.linalg.norm(rows[[0, 1, 3]], axis=1), 1, atol=1e-3)
    assert rows[0] @ rows[3] > 0.5 > 0.2 > rows[0] @ rows[1]
    # What stands beside a text in a batch does not change what it means.
    assert np.allclose(embedder.embed(["Bread needs time."])[0], rows[1], atol=1e-5)


async def test_it_runs_in_a_process_of_its_own_without_torch_here(tmp_path: Path) -> None:
    hosted = HostedEngine("extractive", settings(tmp_path))
    hosted.load()
    try:
        assert (hosted.kind, hosted.model, hosted.pid != os.getpid()) == (
            Kind.extractive,
            "all-minilm-l6-v2",
            True,
        )
        told: list[tuple[int, int]] = []
        found = await Summarizer(hosted, asyncio.Lock()).summarize(
            ARTICLE * 3, wanted(2), report=lambda done, passages: told.append((done, passages))
        )
        assert (len(found.sentences), found.kind, found.warnings) == (2, Kind.extractive, ())
        assert told[-1] == (2, 2)
    finally:
        hosted.unload()


def test_nothing_but_the_engines_own_process_imports_torch() -> None:
    modules = "stentor_summarize.engines.hosted, stentor_summarize.summarizing, stentor_summarize.models"
    code = (
        f"import sys, {modules}; print([name for name in sys.modules if name in ('torch', 'transformers')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_missing_model_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="models/our-embedder of the data directory"):
        make_engine("extractive", settings(tmp_path, "our-embedder")).load()
