"""Sound that somebody speaks in and that no text tells of is heard again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from stentor_stt.engines.whisper_decoding import Decoded, Take, decode, encode, speech
from stentor_stt.engines.whisper_model import WhisperModel
from stentor_stt.engines.whisper_words import word_times
from stentor_stt.sound import SAMPLE_RATE, Sound, samples
from stentor_stt.transcript import Word

LEAST_SPEECH = SAMPLE_RATE
"""For which text must be missing."""
REST_OF_A_WORD = SAMPLE_RATE
"""Shorter speech that goes on from a word, or into the next one, belongs to it."""
LEAST_PROGRESS = SAMPLE_RATE
"""What is heard again must be shorter than what it is part of."""
AROUND_SPEECH = SAMPLE_RATE // 5
"""Sound heard before and after: the edges of speech are not found to the sample."""


@dataclass(frozen=True, slots=True)
class Part:
    """What was decoded, with which sample of the whole sound it begins, and its words by phrase."""

    start: int
    decoded: Decoded
    words: list[list[Word]]


def decode_through(model: WhisperModel, takes: Sequence[Take]) -> list[list[Part]]:
    """What each take says, with what the network left out.

    It may end its text before the speech ends, and leave a gap in it, above all where a sentence is said
    again. The words laid along the sound show that, the network's own times do not.
    """
    found: list[list[Part]] = [[] for _ in takes]
    waiting = [(place, 0, take) for place, take in enumerate(takes)]
    while waiting:
        decoded = decode(model, [take for _, _, take in waiting])
        words = word_times(model, decoded)
        missing: list[tuple[int, int, Take]] = []
        for (place, start, take), part, own in zip(waiting, decoded, words, strict=True):
            found[place].append(Part(start, part, own))
            missing += [
                (place, start + first, replace(take, sound=take.sound[first:last]))
                for first, last in _missing(part, own)
            ]
        encoded = encode(model, [take.sound for _, _, take in missing])
        waiting = [
            (place, start, replace(take, encoded=heard))
            for (place, start, take), heard in zip(missing, encoded, strict=True)
        ]
    return found


def _missing(part: Decoded, words: Sequence[Sequence[Word]]) -> Iterator[tuple[int, int]]:
    """Stretches with speech before, between and after phrases: (first, one past last) sample."""
    length = len(part.take.sound)
    told = [_told(own) for own in words if own]
    if part.silent or not told:
        return
    ends = [0, *(last for _, last in told)]
    begins = [*(first for first, _ in told), length]
    for end, begin in zip(ends, begins, strict=True):
        spans = _between_words(part.take.sound[end:begin]) if begin - end >= LEAST_SPEECH else []
        if sum(last - first for first, last in spans) >= LEAST_SPEECH:
            first = end + max(0, spans[0][0] - AROUND_SPEECH)
            last = min(begin, end + spans[-1][1] + AROUND_SPEECH)
            if last - first <= length - LEAST_PROGRESS:
                yield first, last


def _between_words(sound: Sound) -> list[tuple[int, int]]:
    """Speech in the sound between two words, without what still belongs to them."""
    spans = speech(sound)
    if spans and spans[0][0] == 0 and spans[0][1] < REST_OF_A_WORD:
        spans = spans[1:]
    if spans and spans[-1][1] == len(sound) and spans[-1][1] - spans[-1][0] < REST_OF_A_WORD:
        spans = spans[:-1]
    return spans


def _told(words: Sequence[Word]) -> tuple[int, int]:
    return samples(words[0].start_ms), samples(words[-1].end_ms)
