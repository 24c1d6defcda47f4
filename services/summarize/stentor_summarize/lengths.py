"""How long texts are, and how long a summary of them is to be. Pure.

Words are what stands between spaces. Chinese, Japanese, Thai and their like write none: there every two
letters count as a word, about what translations into English make of them.
"""

import math
import re
from dataclasses import dataclass

from stentor_summarize.engines import Length, Style, Unit

WORDS_PER_SENTENCE = 22
"""In what people ask to be made shorter; used where one measure is wanted in terms of the other."""

TOLERANCE = 0.15
"""How far the words of a summary may exceed what was wanted, as a share of it."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+(?:['’\-.,:/][^\W{_UNSPACED}]+)*")  # noqa: RUF001
_LETTER = re.compile(f"[{_UNSPACED}]")


def word_count(text: str) -> int:
    found = _WORD.findall(text)
    letters = sum(1 for each in found if _LETTER.fullmatch(each))
    return len(found) - letters + math.ceil(letters / 2)


@dataclass(frozen=True, slots=True)
class Goal:
    """What a length comes to for one text."""

    words: int
    """About so many; never fewer than 1."""

    sentences: int | None
    """Exactly so many, where sentences were asked for."""

    @property
    def most_words(self) -> int:
        return math.floor(self.words * (1 + TOLERANCE))

    @property
    def fewest_words(self) -> int:
        return math.ceil(self.words * (1 - TOLERANCE))


def goal(length: Length, source_words: int, style: Style = Style.paragraph) -> Goal:
    """What the length comes to for a text of so many words. A headline is one sentence, whatever its
    length."""
    match length.unit:
        case Unit.words:
            words, sentences = round(length.amount), None
        case Unit.ratio:
            words, sentences = round(length.amount * source_words), None
        case Unit.sentences:
            sentences = max(1, round(length.amount))
            words = sentences * WORDS_PER_SENTENCE
    if style is Style.headline:
        sentences = 1
    return Goal(max(1, words), sentences)
