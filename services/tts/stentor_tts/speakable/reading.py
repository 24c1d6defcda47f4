"""Text read from left to right: each stretch of it with the words to say for it.

A reader has rules in an order. The first rule that matches at a place decides there, and what it said is not
read again, so that no rule has to expect the words of another.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

Match = re.Match[str]


@dataclass(frozen=True, slots=True)
class Piece:
    written: str
    spoken: str
    plain: bool = True
    """The words are those that are written."""


@dataclass(frozen=True, slots=True)
class Rule:
    pattern: re.Pattern[str]
    words: Callable[[Match], str | None]
    """What is said for a match; None where it is something else after all."""


def rule(pattern: str, words: Callable[[Match], str | None]) -> Rule:
    """`pattern` is written in re.VERBOSE, and refers to none of its own groups.

    It begins neither with a blank nor with a letter (A-Z) within a word.
    """
    return Rule(re.compile(pattern, re.VERBOSE), words)


def final_stop(match: Match) -> str:
    """The full stop that an abbreviation shares with the sentence that it ends; empty elsewhere."""
    return "." if match.group().endswith(".") and not match.string[match.end() :].strip("\"') ") else ""


_BEGINNING = r"(?=[^\sA-Za-z]|(?<![A-Za-z])[A-Za-z])"


class Reader:
    """Reads texts by rules; what no rule knows goes through `plain`, word by word."""

    def __init__(self, rules: Sequence[Rule], plain: Callable[[str], str]) -> None:
        self._rules = tuple(rules)
        self._plain = plain
        # One pattern finds where something begins, and the first rule that it may be. Names of groups may
        # stand in it once, so they are taken off. Most of a text is the inside of words: none begins there.
        unnamed = (re.sub(r"\(\?P<\w+>", "(?:", each.pattern.pattern) for each in self._rules)
        marked = (f"(?P<rule{index}>{pattern}\n)" for index, pattern in enumerate(unnamed))
        self._anything = re.compile(rf"{_BEGINNING}(?:{'|'.join(marked)})", re.VERBOSE)

    def read(self, text: str) -> list[Piece]:
        """The text in pieces; what is written in them is the text, whole."""
        return [piece for stretch in _stretches(text) for piece in self._read(stretch)]

    def _read(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        done = at = 0
        while found := self._anything.search(text, at):
            match, words = self._first(found)
            if match is None:
                at = found.start() + 1
                continue
            pieces += self._words(text[done : match.start()])
            pieces.append(Piece(match.group(), words, plain=False))
            done = at = match.end()
        return [*pieces, *self._words(text[done:])]

    def _first(self, found: Match) -> tuple[Match | None, str]:
        """The first rule that has words there, if only another than the one that was found."""
        assert found.lastgroup
        for each in self._rules[int(found.lastgroup.removeprefix("rule")) :]:
            match = each.pattern.match(found.string, found.start())
            if match and match.group() and (words := each.words(match)) is not None:
                return match, words
        return None, ""

    def _words(self, text: str) -> Iterator[Piece]:
        for match in _WORD.finditer(text):
            yield Piece(match.group(), self._plain(match.group()))


def _stretches(text: str) -> Iterator[str]:
    """The text in parts of a length that rules may look through from any place in them."""
    start = 0
    while len(text) - start > LONGEST:
        blank = max(text.rfind(each, start + LONGEST // 2, start + LONGEST) for each in " \n\t")
        stop = blank + 1 if blank > 0 else start + LONGEST
        yield text[start:stop]
        start = stop
    yield text[start:]


LONGEST = 1000
"""Characters that are read at once; what belongs together is shorter."""
_WORD = re.compile(r"\s*[^\s，、；：。！？]+[，、；：。！？]*\s*|\s*[，、；：。！？]+\s*|\s+")
"""A word, and a clause where a script puts no blanks between words."""
_SPACE = re.compile(r"\s+")
_TIDY = (
    # Quotation marks and hyphens that join nothing.
    (re.compile(r"(?<!\w)['-]+|['-]+(?!\w)"), ""),
    (_SPACE, " "),
    (re.compile(r"\s+(?=[,.;:!?])"), ""),
    (re.compile(r"[,;:]+(?:\s*[,;:])+"), ","),
    (re.compile(r"[,;:]\s*(?=[.!?])"), ""),
    (re.compile(r"([.!?])\s*,"), r"\1"),
    (re.compile(r"!{2,}"), "!"),
    (re.compile(r"\?{2,}"), "?"),
    (re.compile(r"\.{4,}"), "..."),
)
_EDGE = re.compile(r"^[\s,;:.!?-]+")


def _ends_word(character: str) -> bool:
    """Whether a blank is needed between it and another such; wide scripts write none."""
    return character.isalnum() and unicodedata.east_asian_width(character) not in ("W", "F")


def spoken(pieces: Iterable[Piece]) -> str:
    """The words of the pieces as one line, with single blanks, and marks where a voice expects them."""
    line = ""
    before = True
    for piece in pieces:
        apart = not (piece.plain and before) and _ends_word(line[-1:]) and _ends_word(piece.spoken[:1])
        line += f" {piece.spoken}" if apart else piece.spoken
        before = piece.plain
    for pattern, replacement in _TIDY:
        line = pattern.sub(replacement, line)
    return _EDGE.sub("", line).rstrip(" ,;:-")
