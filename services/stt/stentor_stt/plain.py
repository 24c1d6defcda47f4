"""Text as recognisers without punctuation write it: what is spoken and nothing else."""

import unicodedata

MEANT = "%&@#"
"""Marks that stand for a word."""


def plain(text: str) -> str:
    """The text in lower case, its words apart by one blank, without punctuation.

    Apostrophes within words and marks within numbers stay: `don't`, `3.5`. Dashes part words.
    """
    text = text.lower().replace("’", "'")  # noqa: RUF001  the apostrophe of typesetters
    return " ".join("".join(_kept(text, at) for at in range(len(text))).split())


def _kept(text: str, at: int) -> str:
    char = text[at]
    if unicodedata.category(char)[0] != "P" or char in MEANT:
        return char
    around = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
    belongs = (char == "'" and around.isalpha()) or (char in ".,:" and around.isdigit())
    return char if belongs and len(around) > 1 else " "
