"""Words and their phonemes, on their way into a model and back as times."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from stentor_tts.engines import SpokenWord

NOBODY = -1
"""Stands for the owner of what belongs to no word."""

CLAUSE_ENDS = ",;:.!?—…"


@dataclass(frozen=True, slots=True)
class Sound:
    """A word with the marks around it, and how it is said: phonemes, stresses, marks."""

    text: str
    phonemes: str

    @property
    def is_word(self) -> bool:
        return any(character.isalnum() for character in self.text)

    @property
    def audible(self) -> bool:
        """Whether anything of it is more than a mark or a stress."""
        return any(character.isalpha() and character not in "ˈˌː" for character in self.phonemes)


class Reader(Protocol):
    """Knows how text is pronounced."""

    def read(self, text: str) -> list[Sound]:
        """The words of a sentence in order; with what separates them left out."""


def passages(sounds: Sequence[Sound], limit: int) -> Iterator[list[Sound]]:
    """Parts of at most `limit` phonemes, which a model says at once: cut after a mark where there is one in
    the second half of a part, else between words."""
    part: list[Sound] = []
    length = 0
    for sound in (piece for each in sounds for piece in _pieces(each, limit)):
        if part and length + len(sound.phonemes) + 1 > limit:
            kept = _up_to_a_mark(part, limit)
            yield part[:kept]
            part = part[kept:]
            length = sum(len(each.phonemes) + 1 for each in part)
        part.append(sound)
        length += len(sound.phonemes) + 1
    if part:
        yield part


@dataclass(frozen=True, slots=True)
class Encoded:
    """Inputs of a model, and to which word (an index) each belongs."""

    ids: tuple[int, ...]
    owners: tuple[int, ...]


def encoded(
    sounds: Sequence[Sound], ids_of: Callable[[str], Sequence[int]], *, before: int = 0, after: int = 0
) -> Encoded:
    """`ids_of` a phoneme, none for one that the model does not know; words are apart by that of a space.
    `before` and `after` of the first ids, and of the last, are made by the caller: they belong to nobody."""
    ids: list[int] = []
    owners: list[int] = [NOBODY] * before
    for index, sound in enumerate(sounds):
        if index and (gap := ids_of(" ")):
            ids += gap
            owners += [NOBODY] * len(gap)
        for phoneme in sound.phonemes:
            found = ids_of(phoneme)
            ids += found
            owners += [index if phoneme not in CLAUSE_ENDS else NOBODY] * len(found)
    return Encoded(tuple(ids), (*owners, *[NOBODY] * after))


def word_times(
    sounds: Sequence[Sound], owners: Sequence[int], lasting_ms: Sequence[float], *, offset_ms: float = 0
) -> tuple[SpokenWord, ...]:
    """When words sound whose phonemes last so long; those without a phoneme sound for no time."""
    edges: dict[int, tuple[float, float]] = {}
    now = offset_ms
    for owner, lasting in zip(owners, lasting_ms, strict=True):
        if owner != NOBODY:
            edges[owner] = (edges.get(owner, (now, now))[0], now + lasting)
        now += lasting
    times, last = [], offset_ms
    for index, sound in enumerate(sounds):
        start, end = edges.get(index, (last, last))
        last = end
        if sound.is_word:
            times.append(SpokenWord(sound.text, max(round(start), 0), max(round(end), 0)))
    return tuple(times)


def told(text: str, times: Sequence[SpokenWord]) -> tuple[SpokenWord, ...]:
    """The times with the words as `text` has them; none where the reader counts words otherwise."""
    words = [word for word in text.split() if any(character.isalnum() for character in word)]
    if len(words) != len(times):
        return ()
    return tuple(SpokenWord(word, at.start_ms, at.end_ms) for word, at in zip(words, times, strict=True))


def _up_to_a_mark(part: Sequence[Sound], limit: int) -> int:
    length, kept = sum(len(each.phonemes) + 1 for each in part), len(part)
    while kept > 1 and length > limit // 2:
        if part[kept - 1].phonemes.endswith(tuple(CLAUSE_ENDS)):
            return kept
        kept -= 1
        length -= len(part[kept].phonemes) + 1
    return len(part)


def _pieces(sound: Sound, limit: int) -> Iterator[Sound]:
    if len(sound.phonemes) <= limit:
        yield sound
        return
    for at in range(0, len(sound.phonemes), limit):
        yield Sound(sound.text if at == 0 else "", sound.phonemes[at : at + limit])
