"""From sound to text with times, tried again where it looks wrong."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from faster_whisper.transcribe import get_compression_ratio
from faster_whisper.vad import VadOptions, get_speech_timestamps

from stentor_stt.engines.whisper_model import (
    MOST_FRAMES,
    SAMPLES_IN_FRAME,
    Answer,
    Encoded,
    Question,
    Tokens,
    WhisperModel,
    context_frames,
)
from stentor_stt.options import Task
from stentor_stt.sound import Sound
from stentor_stt.transcript import Flag

REPETITIVE = 2.4
"""A text that zlib makes shorter than by this factor repeats itself."""
IMPROBABLE = -1.0
"""Mean log probability of the tokens, below which a text is not believed."""
NO_SPEECH = 0.6
"""Probability of silence. These three and the temperatures are those of Whisper's authors."""
TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)

SAMPLES_IN_STEP = 320
"""Times in the text are multiples of 20 ms."""

PAUSES = VadOptions(min_silence_duration_ms=200, speech_pad_ms=30)
"""Finds short pauses with exact edges, where the library's defaults find long ones with soft edges."""


@dataclass(frozen=True, slots=True)
class Take:
    """Sound that is decoded at once, and how."""

    sound: Sound
    encoded: Encoded
    language: str
    task: Task
    before: Tokens = ()
    """Text the decoder is to believe it has just written."""
    temperature: float | None = None
    """None begins at 0 and rises while the text looks wrong."""

    @property
    def frames(self) -> int:
        return len(self.sound) // SAMPLES_IN_FRAME

    @property
    def written_in(self) -> str:
        """What language the text is in."""
        return "en" if self.task is Task.TRANSLATE else self.language


@dataclass(frozen=True, slots=True)
class Phrase:
    """Text between two times, which are in samples from the begin of the take."""

    start: int
    end: int
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a take says, with the figures that tell how much it can be believed."""

    take: Take
    phrases: tuple[Phrase, ...]
    avg_logprob: float
    no_speech_probability: float
    compression_ratio: float
    temperature: float
    ended: bool
    """The text was not cut off because it got too long."""
    closed: bool
    """The text ends with a time."""

    @property
    def flags(self) -> tuple[Flag, ...]:
        signs = {
            Flag.REPETITIVE: self.compression_ratio > REPETITIVE,
            Flag.IMPROBABLE: self.avg_logprob < IMPROBABLE,
            Flag.NO_SPEECH: self.no_speech_probability > NO_SPEECH,
        }
        return tuple(flag for flag, seen in signs.items() if seen)

    @property
    def silent(self) -> bool:
        return {Flag.IMPROBABLE, Flag.NO_SPEECH} <= {*self.flags}

    @property
    def doubtful(self) -> bool:
        looks_wrong = {Flag.IMPROBABLE, Flag.REPETITIVE} & {*self.flags} or not self.ended
        return bool(looks_wrong) and not self.silent


def encode(model: WhisperModel, sounds: Sequence[Sound]) -> list[Encoded]:
    """Each sound with no more silence after it than it takes to be understood."""
    return model.encode(sounds, [context_frames(sound) for sound in sounds])


def speech(sound: Sound) -> list[tuple[int, int]]:
    """Where somebody speaks: (first, one past last) sample, in order."""
    if not len(sound):
        return []
    return [(span["start"], span["end"]) for span in get_speech_timestamps(sound, PAUSES)]


def question(model: WhisperModel, take: Take) -> Question:
    return Question(take.encoded, (*take.before, *model.vocabulary(take.language, take.task).sot_sequence))


def decode(model: WhisperModel, takes: Sequence[Take]) -> list[Decoded]:
    """What each take says: heard with little silence after it first, then as half a minute, then by chance.

    With little silence the network sometimes does not find the end, which shows in a text without a last
    time.
    """
    found = _first_tries(model, takes)
    short = [
        place
        for place, part in enumerate(found)
        if (part.doubtful or not part.closed) and 2 * len(part.take.encoded) < MOST_FRAMES
    ]
    encoded = model.encode([takes[place].sound for place in short], [MOST_FRAMES] * len(short))
    longer = [replace(takes[place], encoded=heard) for place, heard in zip(short, encoded, strict=True)]
    for place, part in zip(short, _first_tries(model, longer), strict=True):
        found[place] = part
    return _raised(model, found)


def _first_tries(model: WhisperModel, takes: Sequence[Take]) -> list[Decoded]:
    by_temperature: dict[float, list[int]] = defaultdict(list)
    for place, take in enumerate(takes):
        by_temperature[take.temperature or 0.0].append(place)
    found: dict[int, Decoded] = {}
    for temperature, places in by_temperature.items():
        found.update(zip(places, _at(model, [takes[at] for at in places], temperature), strict=True))
    return [found[place] for place in range(len(takes))]


def _raised(model: WhisperModel, found: Sequence[Decoded]) -> list[Decoded]:
    """The same, or the best that was found at higher temperatures."""
    tries = [[part] for part in found]
    for temperature in TEMPERATURES[1:]:
        waiting = [each for each in tries if each[-1].doubtful and each[0].take.temperature is None]
        for each, part in zip(
            waiting, _at(model, [each[0].take for each in waiting], temperature), strict=True
        ):
            each.append(part)
    return [_best(each) for each in tries]


def _at(model: WhisperModel, takes: Sequence[Take], temperature: float) -> list[Decoded]:
    answers = model.generate([question(model, take) for take in takes], temperature=temperature)
    return [_decoded(model, take, answer, temperature) for take, answer in zip(takes, answers, strict=True)]


def _decoded(model: WhisperModel, take: Take, answer: Answer, temperature: float) -> Decoded:
    hypothesis = answer.hypotheses[0]
    vocabulary = model.vocabulary(take.language, take.task)
    text = vocabulary.decode(hypothesis.tokens).strip()
    return Decoded(
        take,
        tuple(_phrases(hypothesis.tokens, vocabulary.timestamp_begin, len(take.sound))),
        # The end counts as a token.
        hypothesis.logprob / (len(hypothesis.tokens) + 1),
        answer.no_speech_probability,
        get_compression_ratio(text),
        temperature,
        hypothesis.ended,
        bool(hypothesis.tokens) and hypothesis.tokens[-1] >= vocabulary.timestamp_begin,
    )


def _best(tries: Sequence[Decoded]) -> Decoded:
    if not tries[-1].doubtful:
        return tries[-1]
    varied = [part for part in tries if part.compression_ratio <= REPETITIVE]
    return max(varied or tries, key=lambda part: part.avg_logprob)


def _phrases(tokens: Tokens, first_time: int, length: int) -> list[Phrase]:
    """The text between times. What would begin after the sound was not heard but made up."""
    found: list[Phrase] = []
    text: list[int] = []
    start = 0
    # A text that does not end with a time lasts as long as the sound.
    for token in (*tokens, first_time + length // SAMPLES_IN_STEP + 1):
        if token < first_time:
            text.append(token)
            continue
        at = min((token - first_time) * SAMPLES_IN_STEP, length)
        if text and at > start:
            found.append(Phrase(start, at, tuple(text)))
        start, text = at, []
    return found
