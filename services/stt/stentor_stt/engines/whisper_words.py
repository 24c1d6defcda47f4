"""When each word was said: the text laid along the sound by what the network attended to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any
from unicodedata import category, normalize

from stentor_stt.engines.whisper_decoding import Decoded, Phrase
from stentor_stt.engines.whisper_model import Alignment, Reading, WhisperModel
from stentor_stt.transcript import UNSPACED, Word

SENTENCE_ENDS = (".", "!", "?", "。")

USUAL_SECONDS = 0.7
"""A word whose usual length is taken for longer than this is not: the text has few words and pauses."""
LONGEST = 2
"""Times the usual length: what is longer has a pause in it."""
SOUND_SECONDS = 0.5
"""What each token or digit of a word may take anyhow, as in long numbers and addresses."""


@dataclass(frozen=True, slots=True)
class Timed:
    """A word as the vocabulary has it, with the space before it. Times in seconds from the take's begin."""

    text: str
    start: float
    end: float
    probability: float
    sounds: int
    """Tokens, or digits if there are more of them."""


def word_times(model: WhisperModel, parts: Sequence[Decoded]) -> list[list[list[Word]]]:
    """The words of each part by phrase. Times in milliseconds from the part's begin."""
    readings = [reading(model, part) for part in parts]
    aligned = iter(model.align([each for each in readings if each.text]))
    return [
        list(_words(model, part, next(aligned))) if each.text else [[] for _ in part.phrases]
        for part, each in zip(parts, readings, strict=True)
    ]


def reading(model: WhisperModel, part: Decoded) -> Reading:
    take = part.take
    start = model.vocabulary(take.language, take.task).sot_sequence
    text = [token for phrase in part.phrases for token in phrase.tokens]
    return Reading(take.encoded, take.frames, tuple(start), tuple(text))


def _words(model: WhisperModel, part: Decoded, alignment: Alignment) -> Iterator[list[Word]]:
    vocabulary = model.vocabulary(part.take.written_in, part.take.task)
    timed: list[list[Timed]] = []
    first = 0
    for phrase in part.phrases:
        timed.append(_timed(vocabulary, phrase, alignment, first))
        first += len(phrase.tokens)
    lengths = [word.end - word.start for words in timed for word in words if word.end > word.start]
    usual = min(median(lengths), USUAL_SECONDS) if lengths else 0.0
    for words in timed:
        yield [_word(each) for each in _without_pauses(words, usual)]


def _timed(vocabulary: Any, phrase: Phrase, alignment: Alignment, first: int) -> list[Timed]:
    """The phrase's words; its first token is so far from the begin of the text."""
    words: list[Timed] = []
    spaced = vocabulary.language_code not in UNSPACED
    for text, tokens in zip(*vocabulary.split_to_word_tokens(list(phrase.tokens)), strict=True):
        last = first + len(tokens)
        certain = alignment.probabilities[first:last]
        sounds = max(len(tokens), sum(map(str.isdigit, text)))
        sure = sum(certain) / len(certain)
        part = Timed(text, alignment.times[first], alignment.times[last], sure, sounds)
        # The vocabulary parts words at hyphens too; here they are what stands between spaces.
        if words and (not text.startswith(" ") if spaced else _is_mark(text)):
            part = _joined(words.pop(), part)
        words.append(part)
        first = last
    return [word for word in words if word.text.strip()]


def _joined(word: Timed, part: Timed) -> Timed:
    if _is_mark(part.text):
        # It takes no time: what the network attends to for it is the pause that it stands for.
        return replace(word, text=word.text + part.text, sounds=word.sounds + 1)
    sure = min(word.probability, part.probability)
    return Timed(word.text + part.text, word.start, part.end, sure, word.sounds + part.sounds)


def _is_mark(text: str) -> bool:
    return all(category(character).startswith("P") for character in text)


def _without_pauses(words: Sequence[Timed], usual: float) -> Iterator[Timed]:
    """Words that are too long give up the pause: before them where a sentence begins, else after them."""
    begins = True
    for word in words:
        longest = max(LONGEST * usual, SOUND_SECONDS * word.sounds)
        if word.end - word.start <= longest:
            yield word
        elif begins:
            yield replace(word, start=word.end - longest)
        else:
            yield replace(word, end=word.start + longest)
        begins = normalize("NFKC", word.text).endswith(SENTENCE_ENDS)


def _word(timed: Timed) -> Word:
    start, end = (round(seconds * 1000) for seconds in (timed.start, timed.end))
    return Word(timed.text.strip(), start, end, round(min(timed.probability, 1.0), 4))
