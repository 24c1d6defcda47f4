"""Words to listen for or to avoid: where a text holds them, and where it holds what sounds like them."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from jellyfish import levenshtein_distance, metaphone

from stentor_stt.options import Hotword

ALIKE = 0.7
"""How alike two words must sound, or be spelt, that one may have been taken for the other: 0 to 1."""
MORE_WORDS = 2
"""A word may have been taken for so many more words than it is."""
MOST_ALIKE = 12
"""Places where a hot-word may belong that are looked at for each piece of sound."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Other text in place of the words from `first` up to, not including, `last`."""

    first: int
    last: int
    text: str

    def overlaps(self, other: "Edit") -> bool:
        within = self.first < other.last and other.first < self.last
        return within or self.first == other.first


class Wishes:
    """The hot-words of one request, for text in a language that does or does not part words by spaces."""

    def __init__(self, hotwords: Sequence[Hotword], *, spaced: bool) -> None:
        self._space = " " if spaced else ""
        said = [word for word in hotwords if word.boost and word.text.strip()]
        self._patterns = [(_pattern(word.text, spaced), word.boost) for word in said]
        self.wanted = tuple(word.text.strip() for word in said if word.boost > 0)
        """What to listen for."""

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def worth(self, text: str) -> float:
        """The boosts of all hot-words in a text, for each time it holds them."""
        return sum(boost * len(pattern.findall(text)) for pattern, boost in self._patterns)

    def avoided(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """The words from first to one past last that hold what is to be avoided."""
        text, begins = self._joined(words)
        found = {
            (_word_at(begins, match.start()), _word_at(begins, match.end() - 1) + 1)
            for pattern, boost in self._patterns
            for match in pattern.finditer(text)
            if boost < 0
        }
        return sorted(found)

    def alike(self, words: Sequence[str]) -> list[Edit]:
        """What sounds like a hot-word replaced by it, the most alike first."""
        found: list[tuple[float, Edit]] = []
        for wish in self.wanted:
            for first, last in self._spans(len(words), wish):
                near = likeness(self._space.join(words[first:last]), wish)
                edit = Edit(first, last, wish)
                if near >= ALIKE and self.better(words, edit) > 0:
                    found.append((near, edit))
        found.sort(key=lambda each: -each[0])
        return [edit for _, edit in found[:MOST_ALIKE]]

    def better(self, words: Sequence[str], edit: Edit) -> float:
        """How much more a text is worth with the edit."""
        changed = [*words[: edit.first], edit.text, *words[edit.last :]]
        return self.worth(self._space.join(filter(None, changed))) - self.worth(self._space.join(words))

    def _spans(self, count: int, text: str) -> Iterator[tuple[int, int]]:
        size = len(text.split()) if self._space else len(text)
        for length in range(max(1, size - MORE_WORDS), size + MORE_WORDS + 1):
            yield from ((first, first + length) for first in range(count - length + 1))

    def _joined(self, words: Sequence[str]) -> tuple[str, list[int]]:
        begins: list[int] = []
        at = 0
        for word in words:
            begins.append(at)
            at += len(word) + len(self._space)
        return self._space.join(words), begins


def differences(words: Sequence[str], others: Sequence[str], separator: str) -> list[Edit]:
    """The edits that make the words into the others, whatever their case and punctuation."""
    blocks = SequenceMatcher(None, [*map(_folded, words)], [*map(_folded, others)], autojunk=False)
    return [
        Edit(first, last, separator.join(others[begin:end]))
        for kind, first, last, begin, end in blocks.get_opcodes()
        if kind != "equal"
    ]


def likeness(text: str, other: str) -> float:
    """How alike two texts are spelt, or sound to English ears if that is more: 0 to 1."""
    (spelt, sounds), (other_spelt, other_sounds) = _forms(text), _forms(other)
    near = _nearness(spelt, other_spelt)
    return max(near, _nearness(sounds, other_sounds)) if sounds and other_sounds else near


def _nearness(text: str, other: str) -> float:
    return 1 - levenshtein_distance(text, other) / max(len(text), len(other), 1)


@lru_cache(maxsize=10_000)
def _forms(text: str) -> tuple[str, str]:
    """How it is spelt, and how it sounds."""
    spelt = _folded(text)
    return spelt, metaphone(spelt)


def _folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in plain if character.isalnum())


def _pattern(text: str, spaced: bool) -> re.Pattern[str]:
    found = r"\W+".join(map(re.escape, text.split()))
    # Where words stand beside each other without a space, none ends visibly.
    return re.compile(rf"(?<!\w){found}(?!\w)" if spaced else found, re.IGNORECASE)


def _word_at(begins: Sequence[int], character: int) -> int:
    return sum(begin <= character for begin in begins) - 1
