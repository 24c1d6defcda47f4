"""Texts of any length, by an engine that does what the test wrote down."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from stentor_summarize.engines import EngineSettings, Kind, Length, Style, Unit, Wanted
from stentor_summarize.engines.scripted import Script, ScriptedEngine, ScriptedFailure
from stentor_summarize.errors import NothingToSummarize
from stentor_summarize.summarizing import Summarizer
from stentor_summarize.summary import Summary

SHORT = "The mill turns again. A storm had broken its wheel in October. Anna Lee paid for the repair."
PARAGRAPH = " ".join(["The mill turns again, as all of the village had hoped for."] * 5)
LONG = "\n\n".join([PARAGRAPH] * 8)
BOOK = "\n\n".join([PARAGRAPH] * 100)


class Stopped(Exception):
    pass


def engine(**script: Any) -> ScriptedEngine:
    made = ScriptedEngine(EngineSettings("scripted", Path()), Script(**script))
    made.load()
    return made


def wanted(words: float = 10, style: Style = Style.paragraph, unit: Unit = Unit.words, **more: Any) -> Wanted:
    return Wanted(Length(unit, words), style, language="en", **more)


async def summary(text: str, by: ScriptedEngine, asked: Wanted | None = None, **watcher: Any) -> Summary:
    return await Summarizer(by, asyncio.Lock()).summarize(text, asked or wanted(), **watcher)


async def test_a_short_text_is_summarized_at_once() -> None:
    made = engine(texts=("The mill turns again.",))
    found = await summary(SHORT, made)
    assert found.text == "The mill turns again."
    assert (found.kind, found.engine, found.model, found.language) == (
        Kind.abstractive,
        "scripted",
        "scripted",
        "en",
    )
    assert (found.passages, found.source_words, found.words, found.warnings) == (1, 18, 4, ())
    assert [(passage, last) for passage, _, last in made.asked] == [(SHORT, True)]


async def test_a_long_text_is_read_in_passages_and_their_summaries_are_summarized() -> None:
    made = engine(token_limit=200)
    found = await summary(LONG, made)
    *partials, final = made.asked
    assert "".join(passage for passage, _, _ in partials) == LONG
    assert [last for _, _, last in made.asked] == [False] * len(partials) + [True]
    assert final[0] == "\n\n".join(" ".join(p.split()[: round(w.length.amount)]) for p, w, _ in partials)
    assert (found.passages, found.words) == (len(partials), 10)


async def test_summaries_that_are_too_long_together_are_summarized_again() -> None:
    made = engine(token_limit=150)
    await summary(BOOK, made)
    read = [passage for passage, _, last in made.asked if not last]
    assert len(read) > len([passage for passage in read if passage in BOOK])
    assert made.asked[-1][2] is True


async def test_progress_counts_passages_of_all_levels() -> None:
    told: list[tuple[int, int]] = []
    await summary(LONG, engine(token_limit=200), report=lambda done, passages: told.append((done, passages)))
    done, passages = zip(*told, strict=True)
    assert told[0] == (0, 3)
    assert list(done) == sorted(done)
    assert told[-1] == (4, 4)
    assert all(one <= other for one, other in zip(done, passages, strict=True))


async def test_text_is_told_as_it_comes() -> None:
    told: list[str] = []
    await summary(SHORT, engine(texts=("The mill turns again.",)), tell=told.append)
    assert told == ["The ", "The mill ", "The mill turns ", "The mill turns again."]


async def test_only_the_last_step_is_told() -> None:
    told: list[str] = []
    found = await summary(LONG, engine(token_limit=200), tell=told.append)
    assert told[-1].strip() == found.text


async def test_an_invention_costs_one_further_try() -> None:
    made = engine(texts=("Peter Jones paid.", "Anna Lee paid."))
    found = await summary(SHORT, made)
    assert (found.text, found.warnings) == ("Anna Lee paid.", ())
    assert [asked.attempt for _, asked, _ in made.asked] == [0, 1]


async def test_an_invention_that_stays_is_named() -> None:
    made = engine(texts=("Peter Jones paid 77 euros.", "Peter Jones paid."))
    found = await summary(SHORT, made)
    assert found.text == "Peter Jones paid."
    [warning] = found.warnings
    assert (warning.code, warning.found) == ("not_in_source", ("Peter Jones",))
    assert "Peter Jones" in warning.message
    assert len(made.asked) == 2


async def test_the_further_try_is_not_taken_when_it_is_no_better() -> None:
    found = await summary(SHORT, engine(texts=("Peter Jones paid.", "Mary Hill paid 77 euros.")))
    assert found.text == "Peter Jones paid."


async def test_inventions_on_the_way_are_held_against_the_text() -> None:
    made = engine(token_limit=200, texts=("Peter Jones paid.", "The mill turns again."))
    found = await summary(LONG, made)
    assert "Peter Jones" not in made.asked[-1][0]
    assert found.warnings == ()


async def test_extractive_summaries_are_not_doubted_and_keep_their_indexes() -> None:
    made = engine(
        kind="extractive", token_limit=200, texts=("Peter Jones.",), sentences=(0, 4), warnings=("Mind.",)
    )
    found = await summary(LONG, made)
    assert [(passage, last) for passage, _, last in made.asked] == [(LONG, True)]
    assert (found.kind, found.sentences, found.passages) == (Kind.extractive, (0, 4), 3)
    assert [(each.code, each.message) for each in found.warnings] == [("note", "Mind.")]


async def test_a_length_as_a_share_is_a_share_of_the_whole_text() -> None:
    made = engine(token_limit=200)
    found = await summary(LONG, made, wanted(0.05, unit=Unit.ratio))
    assert found.source_words == 480
    assert made.asked[-1][1].length == Length(Unit.words, 24)


async def test_more_than_fits_one_answer_is_given_by_each_passage_in_its_share() -> None:
    made = engine(token_limit=200)
    found = await summary(LONG, made, wanted(240))
    assert [last for _, _, last in made.asked] == [False] * 3
    assert found.words == pytest.approx(240, abs=3)


async def test_a_model_that_does_not_shorten_comes_to_an_end() -> None:
    made = engine(token_limit=100, texts=(PARAGRAPH,))
    found = await summary(LONG, made)
    assert found.text
    assert len(made.asked) < 40


async def test_a_turn_that_was_cut_is_read_with_its_speaker() -> None:
    text = f"Anna: {' '.join([PARAGRAPH] * 4)}\nBo: I see.\nAnna: Well then."
    made = engine(token_limit=100)
    await summary(text, made)
    assert all(passage.startswith("Anna: ") for passage, _, last in made.asked[:2] if not last)


@pytest.mark.parametrize("text", ["", " \n ", "…!?"])
async def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(NothingToSummarize, match="no words"):
        await summary(text, engine())


async def test_work_is_stopped_between_words() -> None:
    made = engine(texts=("one two three four five six",))

    def check() -> None:
        if made.written >= 3:
            raise Stopped

    with pytest.raises(Stopped):
        await summary(SHORT, made, check=check)
    assert made.written == 3


async def test_a_task_that_is_cancelled_leaves_the_engine_free() -> None:
    going = threading.Event()
    more = threading.Event()

    def wait(_: float) -> None:
        going.set()
        more.wait(10)

    slow = ScriptedEngine(EngineSettings("scripted", Path()), Script(texts=("one two three",)), wait)
    slow.load()
    turn = asyncio.Lock()
    task = asyncio.create_task(Summarizer(slow, turn).summarize(SHORT, wanted()))
    await asyncio.to_thread(going.wait, 10)
    task.cancel()
    more.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not turn.locked()
    assert slow.written == 1


async def test_what_the_engine_raises_is_raised() -> None:
    with pytest.raises(ScriptedFailure):
        await summary(LONG, engine(token_limit=200, fails_after=1))


async def test_two_texts_take_turns_at_one_engine() -> None:
    made = engine(token_limit=100)
    turn = asyncio.Lock()
    long = Summarizer(made, turn).summarize(BOOK, wanted())
    short = Summarizer(made, turn).summarize(SHORT, wanted())
    await asyncio.gather(long, short)
    place = [passage for passage, _, _ in made.asked].index(SHORT)
    assert place < len(made.asked) - 1


async def test_bullets_are_lines_whatever_the_model_put_before_them() -> None:
    text = "Sure! Here are the points:\n\n* The **mill** turns.\n2) A storm broke it."
    found = await summary(SHORT, engine(texts=(text,)), wanted(style=Style.bullets))
    assert found.bullets == ("The mill turns.", "A storm broke it.")
    assert found.text == "- The mill turns.\n- A storm broke it."


async def test_a_paragraph_becomes_bullets_sentence_by_sentence() -> None:
    found = await summary(
        SHORT, engine(texts=("The mill turns. It is mended.",)), wanted(style=Style.bullets)
    )
    assert found.bullets == ("The mill turns.", "It is mended.")


async def test_a_headline_is_one_line_without_marks() -> None:
    text = '"The mill turns again."\nIt is mended.'
    found = await summary(SHORT, engine(texts=(text,)), wanted(style=Style.headline))
    assert found.headline == found.text == "The mill turns again"


async def test_what_a_model_thinks_aloud_is_left_out() -> None:
    found = await summary(SHORT, engine(texts=("<think>Which one?</think>The mill turns.",)))
    assert found.text == "The mill turns."


async def test_minutes_that_a_model_wrote_are_taken_apart() -> None:
    text = "Summary:\nThe mill.\n\nDecisions:\n- none\n\n**Action items:**\n- Anna Lee pays."
    found = await summary(SHORT, engine(texts=(text,)), wanted(style=Style.minutes))
    assert (found.action_items, found.decisions) == (("Anna Lee pays.",), ())
    assert found.text == "The mill.\n\nAction items:\n- Anna Lee pays."


async def test_minutes_that_a_model_cannot_write_are_found_in_the_text() -> None:
    text = "Anna: We decided to mend the mill.\nBo: I will pay the bill by Friday.\nAnna: Thank you, Bo."
    found = await summary(text, engine(texts=("The mill will be mended.",)), wanted(style=Style.minutes))
    assert found.decisions == ("We decided to mend the mill.",)
    assert found.action_items == ("I will pay the bill by Friday. (owner: Bo; due: by Friday)",)


async def test_the_language_is_told_from_the_text() -> None:
    text = "Der Stadtrat hat beschlossen, die Straße am Fluss für Autos zu sperren."
    asked = Wanted(Length(Unit.words, 5))
    assert (await summary(text, engine(texts=("Die Straße.",)), asked)).language == "de"
