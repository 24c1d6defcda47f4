"""One live session as a state machine: sound and the model's answers go in, questions and events come out.

It waits for nothing and knows no clock but the sound, so that it can be driven by a socket as by a test.
The sound of the current turn is heard again and again while it grows (`question`, `answered`); what two
hypotheses agree on is settled, and a pause or a commit makes the rest final.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stentor_common.errors import AppError
from stentor_stt.live.events import Committed, Event, Failed, SpeechStarted
from stentor_stt.live.runs import Run, runs_of
from stentor_stt.live.sound import PER_MS, Gate, Kept
from stentor_stt.live.turn import Turn
from stentor_stt.live.wanted import Turns
from stentor_stt.options import Options
from stentor_stt.sound import SAMPLE_RATE, Sound

if TYPE_CHECKING:
    from stentor_stt.engines import Heard

ASK_EVERY, ASK_AFTER = SAMPLE_RATE // 2, 5 * SAMPLE_RATE
BREATH = 1.5
"""So many times as long as the model takes for an answer, its queue included, there is from one question to
the next. Live sound is heard before all other: this is what leaves jobs their share."""

LULL = 3 * SAMPLE_RATE // 10
"""So long after the last sound that is as loud as speech the model is asked at once: if this becomes a
pause, its answer is there when the pause is over."""

PAUSE_SEEN = SAMPLE_RATE // 10
"""The model has heard a pause begin when its sound goes so far beyond the speech in it."""

ONSET = SAMPLE_RATE // 5
"""A word that began so short before the end of the sound may not have been recognised as speech."""

BEFORE_SPEECH = 3 * SAMPLE_RATE // 10
COMFORTABLE, FULL, LONGEST = 15 * SAMPLE_RATE, 25 * SAMPLE_RATE, 28 * SAMPLE_RATE
"""A turn is cut behind a settled sentence when it is longer than the first, wherever it is best when longer
than the second; the third is kept at most."""

UNSURE_MS = 2000
"""What is said so short before the end of the sound may still change."""

PROMPT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """Sound for the model to hear, and how."""

    sound: Sound
    options: Options
    start: int
    """Where the sound begins in the session, in samples."""
    end: int
    epoch: int
    """Answers to what was asked before the sound was cleared are of no use."""


class LiveSession:
    """Times of events count from the first sound that was taken."""

    def __init__(self, options: Options, turns: Turns) -> None:
        self._options = options
        self._turns = turns
        self._kept = Kept(LONGEST)
        self._gate = Gate(turns.threshold)
        self._turn: Turn | None = None
        self._turn_count = 0
        self._committed_until_ms = 0
        self._heard_until = 0
        self._ask_every = ASK_EVERY
        self._closing = False
        self._epoch = 0

    @property
    def room(self) -> int:
        """How many samples may be taken now; none while a turn is being closed."""
        return 0 if self._closing else self._kept.room

    @property
    def closing(self) -> bool:
        """Whether a commit waits for the model."""
        return self._closing

    @property
    def taken_ms(self) -> int:
        """How much sound there was so far."""
        return self._kept.end // PER_MS

    @property
    def uncommitted_ms(self) -> int:
        """How much of it is in no turn that has ended."""
        return self.taken_ms - self._committed_until_ms

    def configure(self, options: Options, turns: Turns) -> None:
        """Hear by these from now on."""
        self._options, self._turns = options, turns
        self._gate.set_threshold(turns.threshold)

    def pace(self, seconds: float) -> None:
        """How long the model took for its last answer: a slow one is asked less often."""
        self._ask_every = min(max(ASK_EVERY, int(BREATH * seconds * SAMPLE_RATE)), ASK_AFTER)

    def take(self, sound: Sound) -> None:
        """Take the next sound. Raises ValueError when there is no `room` for it."""
        if len(sound) > self.room:
            raise ValueError(f"{len(sound)} samples for a room of {self.room}")
        self._kept.add(sound)
        self._gate.take(sound)
        if self._turn is None and not self._unheard:
            self._kept.let_go(self._kept.end - self._before_speech)

    def commit(self) -> None:
        """End the turn here, even one in which nobody has spoken; `question` may still have to be asked."""
        self._closing = True
        self._turn = self._turn or self._new_turn(self._kept.start // PER_MS)

    def finish(self) -> None:
        """Like `commit`, but without a turn when there is nothing left to hear. No more sound comes."""
        self._closing = self._turn is not None or self._unheard

    def clear(self) -> None:
        """Forget the sound and the turn as if they had not been."""
        self._let_all_go(self._kept.end)
        self._epoch += 1

    def question(self) -> Question | None:
        """What the model should hear now, if anything. Ask one at a time."""
        if not self._due_to_ask():
            return None
        turn, options, kept = self._turn, self._options, self._kept
        # Behind a cut the model would not know that it hears the middle of a sentence.
        before = turn.before[-PROMPT_CHARACTERS:] if turn else ""
        asked = replace(
            options,
            word_times=True,
            language=options.language or (turn.settled_language if turn else None),
            prompt=" ".join(part for part in (options.prompt, before) if part) or None,
        )
        return Question(kept.until(kept.end), asked, kept.start, kept.end, self._epoch)

    def answered(self, question: Question, heard: Heard) -> list[Event]:
        """What the answer to a question means."""
        if question.epoch != self._epoch:
            return []
        self._heard_until = question.end
        pause_ms = self._turns.silence_ms if self._turns.by_pause else None
        spelling = question.options.spelling
        runs = runs_of(heard, question.start // PER_MS, pause_ms=pause_ms, spelling=spelling)
        events = [*self._understood(runs, heard), *self.due()]
        if self._turn and runs:
            events += self._turn.tentative()
        if self._turn is None or not runs:
            self._let_go(self._heard_until - self._before_speech)
        return events

    def failed(self, question: Question, error: AppError) -> list[Event]:
        """Give up the turn whose sound the model could not hear."""
        if question.epoch != self._epoch:
            return []
        turn = self._turn or self._new_turn(question.start // PER_MS)
        self._let_all_go(question.end)
        return [Committed(turn.number, question.end // PER_MS), Failed(turn.number, error)]

    def due(self) -> list[Event]:
        """What follows without asking: a turn whose pause is long enough by now, or whose end is heard."""
        turn = self._turn
        if self._closing:
            if self._unheard:
                return []
            self._closing = False
            return list(self._finished(turn, self.taken_ms)) if turn else []
        if turn is None or not self._pause_over:
            return []
        if self._turns.by_pause:
            return list(self._stopped(turn))
        # Where only a commit ends a turn, a pause still makes its words sure and its sound superfluous.
        settled = list(turn.settle())
        self._let_go((self._heard_until if self._unheard else self._kept.end) - self._before_speech)
        return settled

    @property
    def _before_speech(self) -> int:
        return max(BEFORE_SPEECH, self._turns.padding_ms * PER_MS)

    @property
    def _unheard(self) -> bool:
        """Whether there may be speech that the model has not heard."""
        if self._kept.end <= self._heard_until:
            return False
        if self._gate.loud_until > max(self._heard_until - ONSET, self._kept.start):
            return True
        speech_end_ms = self._turn.speech_end_ms if self._turn else None
        return speech_end_ms is not None and speech_end_ms * PER_MS > self._heard_until - PAUSE_SEEN

    def _due_to_ask(self) -> bool:
        end, full = self._kept.end, self._kept.room == 0
        if end <= self._heard_until or not (self._unheard or full):
            return False
        if self._closing or full or end - self._heard_until >= self._ask_every:
            return True
        quiet_since, silence = self._gate.speech_until, self._turns.silence_ms * PER_MS
        moments = (quiet_since + LULL, quiet_since + silence, self._pause_ends)
        return any(end >= moment > self._heard_until for moment in moments)

    @property
    def _pause_ends(self) -> int:
        """When the pause will be over that the model has heard begin; 0 when it has heard none."""
        if self._turn is None or self._turn.speech_end_ms is None:
            return 0
        speech_end = self._turn.speech_end_ms * PER_MS
        seen = self._heard_until - speech_end >= PAUSE_SEEN
        return speech_end + self._turns.silence_ms * PER_MS if seen else 0

    @property
    def _pause_over(self) -> bool:
        """Whether that pause is long enough by now: by the model's own ears, or because nothing was as loud
        as speech since."""
        ends = self._pause_ends
        if not ends or self._kept.end < ends:
            return False
        return self._heard_until >= ends or self._gate.speech_until <= self._heard_until

    def _understood(self, runs: Sequence[Run], heard: Heard) -> Iterator[Event]:
        for run in runs:
            if self._turn and self._paused_before(run, self._turn):
                yield from self._stopped(self._turn)
            if self._turn is None:
                yield from self._started(run)
            turn = self._turn
            assert turn is not None
            yield from turn.hear(run, heard, self._heard_until // PER_MS)
            if run is not runs[-1]:
                yield from self._stopped(turn)
                self._let_go(run.border_ms * PER_MS)
        if self._turn and runs:
            yield from self._shortened(self._turn)

    def _paused_before(self, run: Run, turn: Turn) -> bool:
        if not self._turns.by_pause or turn.speech_end_ms is None:
            return False
        return run.start_ms - turn.speech_end_ms >= self._turns.silence_ms

    def _shortened(self, turn: Turn) -> Iterator[Event]:
        """Let go of the beginning of a long turn."""
        length, latest_ms = self._heard_until - self._kept.start, self._heard_until // PER_MS - UNSURE_MS
        place_ms = turn.place_to_cut(latest_ms) if length >= COMFORTABLE else None
        if place_ms is None and length >= FULL:
            place_ms = turn.any_place_to_cut(latest_ms)
            yield from turn.settle(place_ms)
        if place_ms is not None:
            self._let_go(place_ms * PER_MS)

    def _started(self, run: Run) -> Iterator[Event]:
        start_ms = max(self._kept.start // PER_MS, run.start_ms - self._turns.padding_ms)
        self._turn = self._new_turn(start_ms)
        if self._turns.by_pause:
            yield SpeechStarted(self._turn.number, start_ms)

    def _stopped(self, turn: Turn) -> Iterator[Event]:
        yield from turn.stop()
        self._end(turn.speech_end_ms or 0)

    def _finished(self, turn: Turn, end_ms: int) -> Iterator[Event]:
        yield from turn.finish(end_ms)
        self._end(end_ms)

    def _end(self, end_ms: int) -> None:
        self._turn = None
        self._committed_until_ms = end_ms
        self._kept.let_go(end_ms * PER_MS)

    def _let_go(self, until: int) -> None:
        self._kept.let_go(until)
        if self._turn:
            self._turn.let_go(self._kept.start // PER_MS)

    def _let_all_go(self, until: int) -> None:
        self._end(until // PER_MS)
        self._kept.let_go(until)
        self._closing = False
        self._heard_until = until

    def _new_turn(self, start_ms: int) -> Turn:
        self._turn_count += 1
        return Turn(self._turn_count - 1, start_ms if self._turns.by_pause else self._committed_until_ms)
