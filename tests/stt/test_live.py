"""A live session without sockets: somebody speaks by a script, and a model hears what was said so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from stentor_common.errors import AppError
from stentor_stt.engines import Heard
from stentor_stt.live.events import (
    Committed,
    Event,
    Failed,
    Final,
    Settled,
    SpeechStarted,
    SpeechStopped,
    Tentative,
)
from stentor_stt.live.session import LONGEST, LiveSession, Question
from stentor_stt.live.wanted import Turns
from stentor_stt.options import Options, Spelling
from stentor_stt.sound import Sound
from stentor_stt.transcript import Segment, Word

MS = 16
CHUNK_MS = 64
BY_COMMIT = Turns(by_pause=False)


@dataclass
class Speaker:
    """Says words at given times; what is not yet said of a word is not heard either."""

    words: list[Word] = field(default_factory=list)
    noise: float = 0.0
    """How loud it is where nobody speaks."""

    def says(self, text: str, at_ms: int, word_ms: int = 300) -> int:
        """Returns when it has been said."""
        for word in text.split():
            self.words.append(Word(word, at_ms, at_ms + word_ms - 60, 0.9))
            at_ms += word_ms
        return at_ms - 60

    def sound(self, ms: int) -> Sound:
        random = np.random.default_rng(1)
        sound = self.noise * random.standard_normal(ms * MS)
        for word in self.words:
            part = slice(word.start_ms * MS, word.end_ms * MS)
            sound[part] = 0.1 * random.standard_normal((word.end_ms - word.start_ms) * MS)
        return sound.astype(np.float32)

    def heard(self, start_ms: int, end_ms: int) -> Heard:
        words = [
            Word(
                word.text if word.end_ms <= end_ms else word.text[:2],
                max(word.start_ms, start_ms) - start_ms,
                min(word.end_ms, end_ms) - start_ms,
                word.confidence,
            )
            for word in self.words
            if word.start_ms < end_ms - 100 and word.end_ms > start_ms
        ]
        if not words:
            return Heard(None, None, ())
        spans: list[tuple[int, int]] = []
        for word in words:
            if spans and word.start_ms - spans[-1][1] < 200:
                spans[-1] = (spans[-1][0], word.end_ms)
            else:
                spans.append((word.start_ms, word.end_ms))
        return heard(words, spans)


def heard(
    words: Sequence[Word], spans: Sequence[tuple[int, int]], language: str = "en", confidence: float = 0.9
) -> Heard:
    text = " ".join(word.text for word in words)
    segment = Segment(0, spans[-1][1], text, tuple(words), -0.1, 0.0, 1.0, 0.0)
    return Heard(language, confidence, (segment,), tuple(spans))


class Talk:
    """A session to which a speaker's sound is played, and what came of it."""

    def __init__(self, speaker: Speaker, turns: Turns, options: Options, took_ms: int) -> None:
        self.session = LiveSession(options, turns)
        self.events: list[tuple[int, Event]] = []
        """With how much sound there was by then, in milliseconds."""
        self.questions: list[Question] = []
        self._speaker, self._took_ms = speaker, took_ms
        self._asked: Question | None = None
        self._answer_ms = 0

    def play(self, sound: Sound) -> None:
        while len(sound):
            if not self.session.room:
                self._go_on(wait=True)
            room = self.session.room
            self.session.take(sound[:room])
            sound = sound[room:]
            self._go_on()

    def commit(self) -> None:
        self.session.commit()
        self._close()

    def finish(self) -> None:
        self.session.finish()
        self._close()

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for _, event in self.events if isinstance(event, kind)]

    def when(self, kind: type[Event]) -> int:
        return next(at_ms for at_ms, event in self.events if isinstance(event, kind))

    @property
    def finals(self) -> list[str]:
        return [event.text for event in self.of(Final)]

    def _close(self) -> None:
        self._go_on()
        while self.session.closing or self._asked:
            self._go_on(wait=True)

    def _go_on(self, *, wait: bool = False) -> None:
        """Whatever is due now; with `wait`, when the model has answered."""
        now_ms = self.session.taken_ms
        if self._asked and (wait or now_ms >= self._answer_ms):
            question, self._asked = self._asked, None
            answer = self._speaker.heard(question.start // MS, question.end // MS)
            self.session.pace(self._took_ms / 1000)
            self._tell(self.session.answered(question, answer))
        if self._asked:
            return
        self._tell(self.session.due())
        self._asked = self.session.question()
        if self._asked:
            self.questions.append(self._asked)
            self._answer_ms = now_ms + self._took_ms
            if not self._took_ms:
                self._go_on()

    def _tell(self, events: list[Event]) -> None:
        self.events += [(self.session.taken_ms, event) for event in events]


@dataclass(frozen=True)
class Play:
    """How a speaker is played."""

    turns: Turns = field(default_factory=Turns)
    options: Options = field(default_factory=Options)
    took_ms: int = 0
    """How long the model takes for each answer, while further sound comes."""
    chunk_ms: int = CHUNK_MS
    commit_ms: tuple[int, ...] = ()


def talk(speaker: Speaker, ms: int, **how: Any) -> Talk:
    """Play so much of it, and finish. `how` are fields of Play."""
    play = Play(**how)
    told = Talk(speaker, play.turns, play.options, play.took_ms)
    sound = speaker.sound(ms)
    at_ms = 0
    for until_ms in dict.fromkeys((*play.commit_ms, ms)):
        for start_ms in range(at_ms, until_ms, play.chunk_ms):
            told.play(sound[start_ms * MS : min(start_ms + play.chunk_ms, until_ms) * MS])
        if until_ms in play.commit_ms:
            told.commit()
        at_ms = until_ms
    told.finish()
    return told


@pytest.fixture
def speaker() -> Speaker:
    return Speaker()


def test_silence_asks_nothing_of_the_model(speaker: Speaker) -> None:
    speaker.noise = 0.0005
    told = talk(speaker, 60_000)
    assert told.questions == []
    assert told.events == []


def test_a_pause_ends_a_turn_whose_text_is_what_was_said(speaker: Speaker) -> None:
    end_ms = speaker.says("He was not an ill disposed young man.", 1000)
    told = talk(speaker, end_ms + 2000)

    assert told.finals == ["He was not an ill disposed young man."]
    (started,), (stopped,), (final,) = told.of(SpeechStarted), told.of(SpeechStopped), told.of(Final)
    assert 600 <= started.start_ms <= 1000
    assert stopped.end_ms == end_ms
    assert (final.start_ms, final.end_ms) == (started.start_ms, end_ms)
    assert (final.language, final.language_confidence) == ("en", 0.9)
    assert [(word.text, word.start_ms) for word in final.words][:2] == [("He", 1000), ("was", 1300)]


def test_the_final_text_comes_as_soon_as_the_pause_is_long_enough(speaker: Speaker) -> None:
    """The model has heard the end while the pause lasted, so nothing has to be waited for."""
    end_ms = speaker.says("one two three four five", 1000)
    told = talk(speaker, end_ms + 2000, took_ms=150)
    assert end_ms + 500 <= told.when(Final) <= end_ms + 500 + CHUNK_MS


def test_the_events_of_a_turn_come_in_order(speaker: Speaker) -> None:
    told = talk(speaker, speaker.says("one two three four five six", 500) + 1500)
    kinds = [type(event) for _, event in told.events]
    assert kinds[0] is SpeechStarted
    assert kinds[-4:] == [SpeechStopped, Committed, Settled, Final]
    assert set(kinds[1:-4]) == {Settled, Tentative}
    assert {event.turn for _, event in told.events} == {0}


def test_settled_texts_joined_are_the_final_text(speaker: Speaker) -> None:
    told = talk(speaker, speaker.says(" ".join(f"word{n}" for n in range(30)), 500) + 1000)
    (final,) = told.of(Final)
    assert "".join(event.text for event in told.of(Settled)) == final.text
    assert tuple(word for event in told.of(Settled) for word in event.words) == final.words


def test_words_settle_while_somebody_still_speaks(speaker: Speaker) -> None:
    end_ms = speaker.says(" ".join(f"word{n}" for n in range(20)), 500)
    told = talk(speaker, end_ms + 1000)
    settled_early = [word for at_ms, event in told.events if at_ms < end_ms for word in _words(event)]
    assert len(settled_early) >= 15


def _words(event: Event) -> tuple[Word, ...]:
    return event.words if isinstance(event, Settled) else ()


def test_a_word_that_is_not_said_to_its_end_is_never_settled(speaker: Speaker) -> None:
    """In part it is heard as something else, twice where the model is asked twice meanwhile."""
    end_ms = speaker.says("incomprehensibilities everywhere", 500, word_ms=1500)
    told = talk(speaker, end_ms + 1000)
    assert "in" in {event.text for event in told.of(Tentative)}
    assert told.finals == ["incomprehensibilities everywhere"]


def test_hypotheses_are_compared_without_case_and_punctuation() -> None:
    session = LiveSession(Options(), Turns())
    events = hear(session, "Well, he", "well he was", "Well he was.")
    assert [event.text for event in events if isinstance(event, Settled)] == ["well he"]


def test_what_is_settled_never_changes_and_the_rest_follows_by_time() -> None:
    session = LiveSession(Options(), Turns())
    events = hear(session, "how do you marry", "how do you marry a", "had he married a more")
    session.finish()
    while question := session.question():
        events += session.answered(question, said("had he married a more amiable", question))
    events += session.due()
    assert [event.text for event in events if isinstance(event, Final)] == ["how do you marry more amiable"]


def hear(
    session: LiveSession, *hypotheses: str, language: str = "en", confidence: float = 0.9
) -> list[Event]:
    """One hypothesis after the other, half a second of noise between; a word takes 250 ms."""
    loud = (0.1 * np.random.default_rng(1).standard_normal(8000)).astype(np.float32)
    events: list[Event] = []
    for hypothesis in hypotheses:
        session.take(loud)
        question = session.question()
        assert question is not None
        events += session.answered(question, said(hypothesis, question, language, confidence))
    session.take(loud)
    return events


def said(text: str, question: Question, language: str = "en", confidence: float = 0.9) -> Heard:
    words = [Word(word, at * 250, at * 250 + 250, 0.9) for at, word in enumerate(text.split())]
    return heard(words, [(0, (question.end - question.start) // MS)], language, confidence)


def test_times_rise_though_each_hypothesis_has_its_own() -> None:
    session = LiveSession(Options(), Turns())
    later = [Word("one", 100, 400, 0.9), Word("two", 300, 500, 0.9), Word("three", 450, 900, 0.9)]
    hear(session, "one two three")
    question = session.question()
    assert question is not None
    session.answered(question, heard(later, [(0, 1000)]))
    session.finish()
    (final,) = [event for event in session.due() if isinstance(event, Final)]
    times = [time for word in final.words for time in (word.start_ms, word.end_ms)]
    assert times == sorted(times)


def test_two_pauses_in_one_answer_end_two_turns(speaker: Speaker) -> None:
    """As when a slow model hears much at once."""
    for number in range(3):
        speaker.says(f"turn {number} is said", 500 + 2500 * number)
    told = talk(speaker, 8000, took_ms=20_000)
    assert told.finals == ["turn 0 is said", "turn 1 is said", "turn 2 is said"]
    assert len(told.questions) <= 3
    assert [event.turn for event in told.of(SpeechStarted)] == [0, 1, 2]


def test_a_slow_model_is_asked_less_often_and_loses_nothing(speaker: Speaker) -> None:
    text = " ".join(f"word{n}" for n in range(40))
    end_ms = speaker.says(text, 500)
    quick, slow = talk(speaker, end_ms + 1000), talk(speaker, end_ms + 1000, took_ms=3000)
    assert len(slow.questions) <= len(quick.questions) / 4
    assert quick.finals == slow.finals == [text]


def test_sound_that_comes_at_once_is_heard_in_few_pieces_and_completely(speaker: Speaker) -> None:
    text = " ".join(f"word{n}" for n in range(300))
    end_ms = speaker.says(text, 500)
    told = talk(speaker, end_ms + 1000, took_ms=10**6, chunk_ms=10_000)
    assert "".join(event.text for event in told.of(Settled)) == text
    assert len(told.questions) < 10


def test_a_turn_of_minutes_is_cut_and_reads_as_if_it_were_not(speaker: Speaker) -> None:
    text = " ".join(f"word{n}{'.' if n % 9 == 8 else ''}" for n in range(400))
    end_ms = speaker.says(text, 500)
    told = talk(speaker, end_ms + 1000)
    assert told.finals == [text]
    assert max(question.end - question.start for question in told.questions) < 20_000 * MS


def test_a_turn_without_sentences_is_cut_all_the_same(speaker: Speaker) -> None:
    text = " ".join(f"word{n}" for n in range(400))
    told = talk(speaker, speaker.says(text, 500) + 1000)
    assert told.finals == [text]
    assert max(question.end - question.start for question in told.questions) <= LONGEST


def test_behind_a_cut_the_model_is_told_what_came_before(speaker: Speaker) -> None:
    text = " ".join(f"word{n}{'.' if n % 9 == 8 else ''}" for n in range(100))
    told = talk(speaker, speaker.says(text, 500) + 1000, options=Options(prompt="Sense and Sensibility"))
    assert told.questions[0].options.prompt == "Sense and Sensibility"
    prompt = told.questions[-1].options.prompt or ""
    assert prompt.startswith("Sense and Sensibility ")
    assert prompt.endswith(".")
    assert prompt.removeprefix("Sense and Sensibility ") in text


def test_the_language_of_a_turn_is_found_once(speaker: Speaker) -> None:
    told = talk(speaker, speaker.says("one two three four five six seven eight", 500) + 1000)
    assert told.questions[0].options.language is None
    assert told.questions[-1].options.language == "en"


def test_a_language_that_was_guessed_of_a_few_words_is_found_out_again(speaker: Speaker) -> None:
    session = LiveSession(Options(), Turns())
    hear(session, "un deux", "un deux trois", language="la", confidence=0.4)
    question = session.question()
    assert question is not None
    assert question.options.language is None
    session.answered(question, said("un deux trois quatre", question, "fr", 0.9))
    session.finish()
    (final,) = [event for event in session.due() if isinstance(event, Final)]
    assert (final.language, final.language_confidence) == ("fr", 0.9)


def test_a_language_that_was_asked_for_stays(speaker: Speaker) -> None:
    told = talk(speaker, speaker.says("eins zwei drei vier", 500) + 1000, options=Options(language="de"))
    assert {question.options.language for question in told.questions} == {"de"}


def test_in_steady_noise_the_model_finds_the_end_of_speech(speaker: Speaker) -> None:
    speaker.noise = 0.05
    end_ms = speaker.says("one two three four", 3000)
    told = talk(speaker, end_ms + 3000)
    assert told.finals == ["one two three four"]
    assert told.when(Final) <= end_ms + 500 + CHUNK_MS


def test_the_first_word_after_a_long_silence_is_heard_whole(speaker: Speaker) -> None:
    speaker.noise = 0.0005
    speaker.says("Yes.", 30_000)
    told = talk(speaker, 33_000)
    assert told.finals == ["Yes."]
    assert told.questions[0].start <= 29_800 * MS


def test_a_longer_silence_can_be_asked_for(speaker: Speaker) -> None:
    speaker.says("one two", 500)
    end_ms = speaker.says("three four", 2000)
    assert talk(speaker, end_ms + 3000).finals == ["one two", "three four"]
    patient = talk(speaker, end_ms + 3000, turns=Turns(silence_ms=1500))
    assert patient.finals == ["one two three four"]


def test_a_higher_threshold_does_not_listen_to_what_is_faint(speaker: Speaker) -> None:
    speaker.noise = 0.004
    assert talk(speaker, 1000).questions != []
    assert talk(speaker, 1000, turns=Turns(threshold=0.9)).questions == []


def test_without_pauses_only_a_commit_ends_a_turn(speaker: Speaker) -> None:
    speaker.says("one two", 500)
    speaker.says("three four", 3000)
    speaker.says("five", 6000)
    told = talk(speaker, 8000, turns=BY_COMMIT, commit_ms=(5000,))
    assert told.finals == ["one two three four", "five"]
    assert told.of(SpeechStarted) == told.of(SpeechStopped) == []
    first, second = told.of(Final)
    assert first.start_ms == 0
    assert first.end_ms == second.start_ms == told.when(Committed)


def test_without_pauses_a_long_silence_needs_no_memory_and_no_model(speaker: Speaker) -> None:
    speaker.says("before", 500)
    speaker.says("after", 120_000)
    told = talk(speaker, 122_000, turns=BY_COMMIT, commit_ms=(122_000,))
    assert told.finals == ["before after"]
    assert len(told.questions) <= 8


def test_words_before_a_pause_are_settled_without_a_commit(speaker: Speaker) -> None:
    end_ms = speaker.says("one two three", 500)
    told = talk(speaker, end_ms + 10_000, turns=BY_COMMIT, commit_ms=(end_ms + 10_000,))
    settled = [(at_ms, event.text) for at_ms, event in told.events if isinstance(event, Settled)]
    assert "".join(text for _, text in settled) == "one two three"
    assert settled[-1][0] <= end_ms + 1000


def test_a_commit_ends_a_turn_in_the_middle_of_speech(speaker: Speaker) -> None:
    speaker.says("one two three four five six", 320, word_ms=320)
    told = talk(speaker, 4000, commit_ms=(320 * 4,))
    assert told.finals == ["one two three", "four five six"]


def test_a_commit_of_silence_is_a_turn_without_text(speaker: Speaker) -> None:
    told = talk(speaker, 2000, commit_ms=(1024,))
    assert told.finals == [""]
    assert told.questions == []


def test_the_end_of_the_sound_is_heard(speaker: Speaker) -> None:
    end_ms = speaker.says("one two three", 500)
    assert talk(speaker, end_ms).finals == ["one two three"]


def test_finishing_in_silence_makes_no_turn(speaker: Speaker) -> None:
    assert talk(speaker, 3000).events == []


def test_what_is_cleared_was_never_said(speaker: Speaker) -> None:
    session = LiveSession(Options(), BY_COMMIT)
    speaker.says("one two three", 0)
    session.take(speaker.sound(900))
    question = session.question()
    assert question is not None
    session.clear()
    assert session.answered(question, speaker.heard(0, 900)) == []
    assert session.uncommitted_ms == 0
    session.finish()
    assert session.due() == []
    assert session.question() is None


def test_a_turn_that_cannot_be_heard_fails_and_the_next_one_is_heard(speaker: Speaker) -> None:
    speaker.says("lost words", 0)
    speaker.says("kept words", 2000)
    session = LiveSession(Options(), Turns())
    sound = speaker.sound(4000)
    session.take(sound[: 600 * MS])
    question = session.question()
    assert question is not None
    error = AppError("the model broke")
    assert session.failed(question, error) == [Committed(0, 600), Failed(0, error)]
    session.take(sound[600 * MS :])
    events: list[Event] = []
    while question := session.question():
        events += session.answered(question, speaker.heard(question.start // MS, question.end // MS))
    assert [event.text for event in events if isinstance(event, Final)] == ["kept words"]


def test_more_sound_than_there_is_room_for_is_refused_before_it_is_taken() -> None:
    session = LiveSession(Options(), BY_COMMIT)
    session.take(np.full(LONGEST - 10, 0.1, np.float32))
    with pytest.raises(ValueError, match="room of 10"):
        session.take(np.full(11, 0.1, np.float32))


def test_no_session_keeps_more_than_its_room(speaker: Speaker) -> None:
    speaker.noise = 0.2
    speaker.says("word " * 200, 0)
    told = talk(speaker, 90_000, turns=Turns(silence_ms=5000))
    assert max(len(question.sound) for question in told.questions) <= LONGEST
    assert told.finals == [("word " * 200).strip()]


def test_languages_without_blanks_are_written_without() -> None:
    session = LiveSession(Options(), Turns())
    session.take(np.full(24_000, 0.1, np.float32))
    question = session.question()
    assert question is not None
    words = (Word("你", 0, 300, 0.9), Word("好", 300, 600, 0.9))
    segment = Segment(0, 600, "你好", words, -0.1, 0.0, 1.0, 0.0)
    session.answered(question, Heard("zh", 0.9, (segment,), ((0, 1500),)))
    session.finish()
    final = next(event for event in session.due() if isinstance(event, Final))
    assert final.text == "你好"
    assert len(final.words) == 2


def test_spellings_apply_to_live_text(speaker: Speaker) -> None:
    end_ms = speaker.says("ask stenter now", 500)
    told = talk(speaker, end_ms + 1000, options=Options(spelling=(Spelling("stenter", "Stentor"),)))
    assert told.finals == ["ask Stentor now"]
    assert "".join(event.text for event in told.of(Settled)) == "ask Stentor now"
