"""A Whisper network in CTranslate2's form, asked about many sounds at once."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from ctranslate2 import DataType, StorageView
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from stentor_stt.options import Task
from stentor_stt.sound import Sound

Encoded: TypeAlias = npt.NDArray[np.float32]
"""What the encoder heard: a row of numbers for every 20 ms, silence after the sound included."""

Tokens: TypeAlias = tuple[int, ...]

SAMPLES_IN_FRAME = 160
"""Of the spectrogram; there are two frames in a row of what was encoded."""
MOST_FRAMES = 3000
"""Half a minute: all that the network was trained on, and what it always hears elsewhere."""
SILENCE_FRAMES = 600
"""Least silence heard after a sound. With less the network goes on after the end, or does not find it."""
STEP_FRAMES = 200
"""Lengths are rounded up to this, so that sounds of about one length can go through the network together."""

FRAMES_AT_ONCE = {"cpu": 12_000, "cuda": 96_000}
"""Bounds memory: of the base model 50 MB for every 3,000. A CPU gets slower again with more at once."""

TOKENS_AT_ONCE = {"cpu": 1_000, "cuda": 8_000}
"""That are aligned. Bounds memory: 200 kB for each."""

CANDIDATES = 5
"""Texts drawn by chance above temperature 0, of which the most probable is taken."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Question:
    """What the decoder is given: a sound, and the tokens that come before the text."""

    encoded: Encoded
    prompt: Tokens


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Text and times as tokens, and the log probability of them all with the end after them."""

    tokens: Tokens
    logprob: float
    ended: bool
    """Not cut off because it got too long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The most probable hypotheses, best first."""

    hypotheses: tuple[Hypothesis, ...]
    no_speech_probability: float


@dataclass(frozen=True, slots=True)
class Reading:
    """A text that is laid along a sound."""

    encoded: Encoded
    frames: int
    """How long the sound is."""
    start: Tokens
    """What comes before the text."""
    text: Tokens
    """At least one, no times among them."""


@dataclass(frozen=True, slots=True)
class Alignment:
    """How probable each token is, and the time in seconds at which each begins, and the last one ends."""

    probabilities: tuple[float, ...]
    times: tuple[float, ...]


class WhisperModel:
    """The network and its vocabulary. What is heard together does not change what each sound says."""

    def __init__(self, library: Any, *, beam_size: int) -> None:
        self._library = library
        self._net = library.model
        self._beam_size = beam_size
        self._vocabularies: dict[tuple[str, Task], Tokenizer] = {}
        self._frames_at_once = FRAMES_AT_ONCE[self._net.device]
        self._tokens_at_once = TOKENS_AT_ONCE[self._net.device]
        self._suppressed = get_suppressed_tokens(self.vocabulary("en", Task.TRANSCRIBE), [-1])
        self.most_tokens = library.max_length // 2
        """Longest text, and bound of what comes before it."""

    @property
    def multilingual(self) -> bool:
        return bool(self._net.is_multilingual)

    @property
    def languages(self) -> frozenset[str]:
        return frozenset(self._library.supported_languages)

    def vocabulary(self, language: str, task: Task) -> Tokenizer:
        """Tokens to text and back, and what to begin with for a language and a task."""
        if (language, task) not in self._vocabularies:
            self._vocabularies[language, task] = Tokenizer(
                self._library.hf_tokenizer, self.multilingual, task=task.value, language=language
            )
        return self._vocabularies[language, task]

    def encode(self, sounds: Sequence[Sound], frames: Sequence[int]) -> list[Encoded]:
        """Each sound of half a minute at most, with silence after it up to so many frames."""
        # On a CPU a batch of long sounds only leaves the caches.
        at_once = self._frames_at_once if self._net.device == "cuda" else 0
        return _together(
            list(zip(sounds, frames, strict=True)),
            alike=lambda each: each[1],
            most=lambda length: max(1, at_once // length),
            ask=self._encode,
        )

    def detect(self, encoded: Sequence[Encoded]) -> list[tuple[str, float]]:
        """The language of each and how probable it is, 0 to 1."""
        if not self.multilingual:
            return [("en", 1.0)] * len(encoded)
        return _together(encoded, alike=len, most=self._most, ask=self._detect)

    def generate(
        self,
        questions: Sequence[Question],
        *,
        temperature: float = 0.0,
        hypotheses: int = 1,
        suppressed: Tokens = (),
    ) -> list[Answer]:
        """The text of each, with times. `hypotheses` is how many are wanted at most, at temperature 0."""
        options = {
            "beam_size": self._beam_size,
            "num_hypotheses": min(hypotheses, self._beam_size),
            "suppress_tokens": sorted({*self._suppressed, *suppressed}),
        }
        if temperature > 0:
            chance = {"sampling_topk": 0, "sampling_temperature": temperature}
            options |= {"beam_size": 1, "num_hypotheses": CANDIDATES, **chance}
        return _together(
            questions,
            # The library wants prompts of one length in a batch.
            alike=lambda each: (len(each.encoded), len(each.prompt)),
            most=lambda sizes: self._most(sizes[0]),
            ask=lambda some: self._generate(some, options),
        )

    def fits(self, reading: Reading) -> bool:
        """Whether the network can take so much text."""
        return len(reading.start) + len(reading.text) + 2 <= int(self._library.max_length)

    def align(self, readings: Sequence[Reading]) -> list[Alignment]:
        return _together(
            readings,
            alike=lambda each: (len(each.encoded), each.start, _rounded(len(each.start) + len(each.text))),
            # For each token the library keeps how probable every other one would be.
            most=lambda sizes: max(1, min(self._most(sizes[0]), self._tokens_at_once // sizes[2])),
            ask=self._align,
        )

    def endings(self, readings: Sequence[Reading]) -> list[float]:
        """The log probability that each text ends where it does, and not later."""
        return _together(
            readings,
            alike=lambda each: (len(each.encoded), len(each.start), len(each.text)),
            most=lambda sizes: max(1, min(self._most(sizes[0]), self._tokens_at_once // sizes[2])),
            ask=self._end,
        )

    def _most(self, rows: int) -> int:
        return max(1, self._frames_at_once // (2 * rows))

    def _encode(self, some: Sequence[tuple[Sound, int]]) -> list[Encoded]:
        features = np.zeros((len(some), self._net.n_mels, some[0][1]), np.float32)
        for row, (sound, frames) in zip(features, some, strict=True):
            spectrum = self._library.feature_extractor(sound)[:, :-1][:, :frames]
            # Past its end the network always had zeros, which are not the silence of the spectrogram.
            row[:, : spectrum.shape[1]] = spectrum
        found = self._net.encode(StorageView.from_array(features), to_cpu=True)
        if found.dtype != DataType.float32:
            found = found.to(DataType.float32)
        return list(np.array(found))

    def _detect(self, some: Sequence[Encoded]) -> list[tuple[str, float]]:
        found = self._net.detect_language(_stacked(some))
        # The best comes first, as <|en|>.
        return [(languages[0][0][2:-2], float(languages[0][1])) for languages in found]

    def _generate(self, some: Sequence[Question], options: dict[str, Any]) -> list[Answer]:
        found = self._net.generate(
            _stacked([each.encoded for each in some]),
            [list(each.prompt) for each in some],
            return_scores=True,
            return_no_speech_prob=True,
            **options,
        )
        most = min(self.most_tokens, self._library.max_length - len(some[0].prompt) + 1)
        return [_answer(each, most) for each in found]

    def _align(self, some: Sequence[Reading]) -> list[Alignment]:
        found = self._net.align(
            _stacked([each.encoded for each in some]),
            list(some[0].start),
            [list(each.text) for each in some],
            [each.frames for each in some],
        )
        return [_alignment(each, self._library.tokens_per_second) for each in found]

    def _end(self, some: Sequence[Reading]) -> list[float]:
        vocabulary = self.vocabulary("en", Task.TRANSCRIBE)
        length = len(some[0].text)
        found = self._net.generate(
            _stacked([each.encoded for each in some]),
            [[*each.start, vocabulary.no_timestamps, *each.text] for each in some],
            beam_size=1,
            # Text that is given counts too; no more is wanted after it than has to be.
            max_length=max(2 * (length + 2), len(some[0].start) + length + 2),
            return_logits_vocab=True,
            suppress_blank=False,
            suppress_tokens=[],
        )
        return [_logprob(np.array(each.logits[0][length]).ravel(), vocabulary.eot) for each in found]


def context_frames(sound: Sound) -> int:
    """How much is heard of a sound and the silence after it: the less, the quicker."""
    return min(_rounded(len(sound) // SAMPLES_IN_FRAME + SILENCE_FRAMES, STEP_FRAMES), MOST_FRAMES)


def _rounded(count: int, step: int = 32) -> int:
    return -(-count // step) * step


def _answer(found: Any, most_tokens: int) -> Answer:
    # The library gives the sum divided by the number of tokens without the end.
    hypotheses = tuple(
        Hypothesis(tuple(tokens), float(score) * max(len(tokens), 1), len(tokens) < most_tokens)
        for tokens, score in zip(found.sequences_ids, found.scores, strict=True)
    )
    return Answer(hypotheses, float(found.no_speech_prob))


def _alignment(found: Any, rows_per_second: int) -> Alignment:
    tokens, rows = np.array(found.alignments).T
    begins = rows[np.diff(tokens, prepend=-1) > 0] / rows_per_second
    return Alignment(tuple(map(float, found.text_token_probs)), tuple(map(float, begins)))


def _logprob(logits: npt.NDArray[np.float32], token: int) -> float:
    highest = logits.max()
    return float(logits[token] - highest - np.log(np.exp(logits - highest).sum()))


def _stacked(encoded: Sequence[Encoded]) -> StorageView:
    return StorageView.from_array(np.stack(encoded))


def _together(
    items: Sequence[T],
    *,
    alike: Callable[[T], Hashable],
    most: Callable[[Any], int],
    ask: Callable[[Sequence[T]], Sequence[R]],
) -> list[R]:
    """What `ask` says of each item, in order, when it takes only items that are alike, so many at once."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        groups[alike(item)].append(place)
    found: dict[int, R] = {}
    for kind, places in groups.items():
        size = most(kind)
        for first in range(0, len(places), size):
            some = places[first : first + size]
            found.update(zip(some, ask([items[place] for place in some]), strict=True))
    return [found[place] for place in range(len(items))]
