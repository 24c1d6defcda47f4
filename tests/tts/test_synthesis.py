"""A text being spoken: in order, a little ahead, and no further when nobody takes the sound."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from stentor_common.testing import eventually
from stentor_tts.engines import Spoken, SpokenWord, Utterance
from stentor_tts.script import Markup, Pause, Prosody, Script, Sentence
from stentor_tts.speaking import Part
from stentor_tts.speeches import Manner
from stentor_tts.synthesis import Synthesis
from stentor_tts.voices import Voice, voice_of

RATE = 8000
VOICE = voice_of("scripted:any#high")
MANNER = Manner("high", "en", Markup.text, 1.0, "pcm", RATE, words=False)
PART = Part("letter", "ann", ahead=2)
SCRIPT: Script = tuple(
    part for word in ("one", "two", "three", "four", "five") for part in (Sentence(word, word), Pause(100))
)


class Says:
    """Says each word as half a second of tone, once it is let."""

    def __init__(self, *, let: int = 1000, words: bool = True) -> None:
        self.asked: list[tuple[Utterance, str, str, bool]] = []
        self.given_up = 0
        self._let = asyncio.Semaphore(let)
        self._words = words

    def let(self, sentences: int) -> None:
        for _ in range(sentences):
            self._let.release()

    @property
    def texts(self) -> list[str]:
        return [utterance.text for utterance, *_ in self.asked]

    async def say(
        self, voice: Voice, utterances: Sequence[Utterance], *, job: str, caller: str, live: bool = False
    ) -> list[Spoken]:
        (utterance,) = utterances
        self.asked.append((utterance, job, caller, live))
        try:
            await self._let.acquire()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        tone = np.sin(np.arange(RATE // 2) / 5).astype(np.float32)
        words = (SpokenWord(utterance.text, 0, 500),) if self._words else ()
        return [Spoken(tone, RATE, words)]


def synthesis(speaker: Says, script: Script = SCRIPT, manner: Manner = MANNER) -> Synthesis:
    return Synthesis(speaker, VOICE, manner, script)


async def sound_of(made: Synthesis, part: Part = PART) -> bytes:
    return b"".join([chunk async for chunk in made.chunks(part)])


async def test_everything_is_said_once_in_order_with_its_pauses() -> None:
    speaker = Says()
    made = synthesis(speaker)
    sound = await sound_of(made)
    assert speaker.texts == ["one", "two", "three", "four", "five"]
    # Five words of half a second, and five pauses.
    assert len(sound) == 2 * (5 * RATE // 2 + 5 * RATE // 10)
    facts, times = made.finished(characters=23)
    assert (facts.duration_ms, facts.sentences, facts.characters, made.done) == (3000, 5, 23, 5)
    assert [(each.text, each.start_ms) for each in times.sentences][:2] == [("one", 0), ("two", 600)]
    assert times.words is None


async def test_a_few_sentences_are_asked_for_in_advance_and_no_more() -> None:
    speaker = Says()
    chunks = synthesis(speaker).chunks(PART)
    async with aclosing(chunks):
        await anext(chunks)
        assert speaker.texts == ["one", "two", "three"]
        await asyncio.sleep(0.05)
        assert speaker.texts == ["one", "two", "three"]
        # The pause, and then the next sentence.
        await anext(chunks)
        await anext(chunks)
        assert speaker.texts == ["one", "two", "three", "four"]


async def test_whoever_stops_listening_gives_the_turns_back() -> None:
    speaker = Says(let=1)
    chunks = synthesis(speaker).chunks(PART)
    await anext(chunks)

    async def asked() -> bool:
        return len(speaker.asked) == 3

    await eventually(asked)
    await chunks.aclose()
    assert speaker.given_up == 2


async def test_somebody_who_waits_for_the_first_sentence_is_given_up_too() -> None:
    speaker = Says(let=0)
    waiting = asyncio.ensure_future(sound_of(synthesis(speaker)))

    async def asked() -> bool:
        return len(speaker.asked) == 3

    await eventually(asked)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert speaker.given_up == 3


async def test_only_the_first_sentence_of_a_listener_goes_before_others() -> None:
    speaker = Says()
    await sound_of(synthesis(speaker), replace(PART, live=True))
    assert [live for *_, live in speaker.asked] == [True, False, False, False, False]
    assert {(job, caller) for _, job, caller, _ in speaker.asked} == {("letter", "ann")}


async def test_speed_and_markup_make_the_rate_together() -> None:
    speaker = Says()
    fast = Sentence("fast", "fast", Prosody(rate=3.0))
    script: Script = (Sentence("usual", "usual"), fast)
    await sound_of(synthesis(speaker, script, replace(MANNER, speed=1.5)))
    assert [utterance.rate for utterance, *_ in speaker.asked] == [1.5, 4.0]


@pytest.mark.parametrize("engine_tells", [True, False])
async def test_words_have_times_within_their_sentence(engine_tells: bool) -> None:
    script: Script = (Sentence("2", "two"), Pause(500), Sentence("three four", "three four"))
    made = synthesis(Says(words=engine_tells), script, replace(MANNER, words=True))
    await sound_of(made)
    _, times = made.finished(characters=11)
    assert times.words is not None
    assert times.words[0].text == "two"
    first, second = times.sentences
    assert (first.text, second.text) == ("2", "three four")
    for word in times.words[1:]:
        assert second.start_ms <= word.start_ms <= word.end_ms <= second.end_ms


async def test_a_file_has_its_length_in_its_header(tmp_path: Path) -> None:
    reports: list[int] = []
    made = synthesis(Says(), manner=replace(MANNER, format="flac"))
    path = tmp_path / "sound"
    await made.write(PART, path, lambda: reports.append(made.done))
    with av.open(str(path), "r") as file:
        assert file.duration is not None
        assert round(file.duration / 1000) == made.duration_ms == 3000
    assert reports == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


class Broken(Exception):
    pass


class Fails(Says):
    async def say(self, voice: Voice, utterances: Sequence[Utterance], **part: object) -> list[Spoken]:
        if utterances[0].text == "three":
            raise Broken
        return await super().say(voice, utterances, **part)  # type: ignore[arg-type]


async def test_what_keeps_a_sentence_from_being_said_ends_the_text(tmp_path: Path) -> None:
    for speaking in (
        sound_of(synthesis(Fails())),
        synthesis(Fails()).write(PART, tmp_path / "sound", lambda: None),
    ):
        with pytest.raises(Broken):
            await speaking
