"""Words to say for what is written: numbers, dates, sums, signs, abbreviations, addresses."""

import unicodedata
from functools import lru_cache

from stentor_tts.speakable import english, generic
from stentor_tts.speakable.reading import Piece, Reader, spoken

__all__ = ["Piece", "read", "speakable", "spoken"]

_ALIKE = str.maketrans(
    {
        "‘": "'",
        "’": "'",
        "‚": "'",
        "‛": "'",
        "´": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "‹": '"',
        "›": '"',
        "\N{FULLWIDTH COMMA}": ",",
        "\N{FULLWIDTH FULL STOP}": ".",
        "\N{FULLWIDTH EXCLAMATION MARK}": "!",
        "\N{FULLWIDTH QUESTION MARK}": "?",
        "\N{HYPHEN}": "-",
        "\N{NON-BREAKING HYPHEN}": "-",
        "\N{FIGURE DASH}": "-",
        "\N{HORIZONTAL BAR}": "\N{EM DASH}",
        "\N{FRACTION SLASH}": "/",
        "\N{PRIME}": "′",
    }
)
"""Signs that are one to a reader, each with one of the same length."""

_INSTEAD = dict.fromkeys("()[]{}|", ", ") | dict.fromkeys("_/\\", " ") | {"…": "..."}
_SILENT = frozenset('"*^~`<>=+#@$%&•·‣◦▪')
_UNSAID = ("So", "Sk", "Sm", "Sc", "Cc", "Cf", "Cs", "Co", "Cn")
"""Categories of characters without a sound: pictures, signs, what cannot be seen."""


def _plain(word: str) -> str:
    """A word without what has no sound: quotation marks, emoji, invisible characters."""
    if word.strip().isalpha():
        return word
    return "".join(_INSTEAD.get(each, "" if _is_silent(each) else each) for each in word)


def _is_silent(character: str) -> bool:
    if character in _SILENT:
        return True
    return not character.isspace() and unicodedata.category(character) in _UNSAID


@lru_cache(maxsize=64)
def _reader(language: str) -> Reader:
    rules = english.rules(language) if language.split("-")[0] == "en" else generic.rules(language)
    return Reader(rules, _plain)


def _alike(text: str) -> str:
    """The same text, of the same length, in the signs that the rules know."""
    text = text.translate(_ALIKE)
    if text.isascii():
        return text
    return "".join(_same_length(each) for each in text)


def _same_length(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.digit(character))
    return " " if character.isspace() and character not in "\n" else character


def read(text: str, language: str) -> list[Piece]:
    """The text in pieces, each with its words in the language (a BCP 47 code); together they are the text."""
    pieces = _reader(_code(language)).read(_alike(text))
    # What is written stays as it is written.
    written: list[Piece] = []
    at = 0
    for piece in pieces:
        end = at + len(piece.written)
        written.append(Piece(text[at:end], piece.spoken, piece.plain))
        at = end
    return written


def speakable(text: str, language: str) -> str:
    """The words to say for the text; empty where nothing in it can be said."""
    words = spoken(read(text, language))
    return words if any(each.isalnum() for each in words) else ""


def _code(language: str) -> str:
    return language.lower().replace("_", "-")
