"""Text read from left to right: each stretch of it with the words to say for it.

A reader has rules in an order. The first rule that matches at a place decides there, and what it said is not
read again, so that no rule has to expect the words of another.
"""

import re
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
    """`pattern` is written in re.VERBOSE, and refers to none of its own groups."""
    return Rule(re.compile(pattern, re.VERBOSE), words)


class Reader:
    """Reads texts by rules; what no rule knows goes through `plain`, word by word."""

    def __init__(self, rules: Sequence[Rule], plain: Callable[[str], str]) -> None:
        self._rules = tuple(rules)
        self._plain = plain
        # Names of groups may stand once in a pattern, and this one is asked only where something begins.
        unnamed = (re.sub(r"\(\?P<\w+>", "(", each.pattern.pattern) for each in self._rules)
        self._anything = re.compile("|".join(f"(?:{pattern}\n)" for pattern in unnamed), re.VERBOSE)

    def read(self, text: str) -> list[Piece]:
        """The text in pieces; what is written in them is the text, whole."""
        pieces: list[Piece] = []
        done = at = 0
        while found := self._anything.search(text, at):
            match, words = self._first(text, found.start())
            if match is None:
                at = found.start() + 1
                continue
            pieces += self._words(text[done : match.start()])
            pieces.append(Piece(match.group(), words, plain=False))
            done = at = match.end()
        return [*pieces, *self._words(text[done:])]

    def _first(self, text: str, at: int) -> tuple[Match | None, str]:
        for each in self._rules:
            match = each.pattern.match(text, at)
            if match and match.group() and (words := each.words(match)) is not None:
                return match, words
        return None, ""

    def _words(self, text: str) -> Iterator[Piece]:
        for match in _WORD.finditer(text):
            yield Piece(match.group(), self._plain(match.group()))


_WORD = re.compile(r"\s*\S+\s*|\s+")
_SPACE = re.compile(r"\s+")
_TIDY = (
    (re.compile(r"\s+(?=[,.;:!?])"), ""),
    (re.compile(r"[,;:]+(?:\s*[,;:])+"), ","),
    (re.compile(r"[,;:]\s*(?=[.!?])"), ""),
    (re.compile(r"([.!?])\s*,"), r"\1"),
    (re.compile(r"!{2,}"), "!"),
    (re.compile(r"\?{2,}"), "?"),
    (re.compile(r"\.{4,}"), "..."),
)
_EDGE = re.compile(r"^[\s,;:.!?-]+")


def spoken(pieces: Iterable[Piece]) -> str:
    """The words of the pieces as one line, with single blanks, and marks where a voice expects them."""
    line = ""
    before = True
    for piece in pieces:
        apart = not (piece.plain and before) and line[-1:].isalnum() and piece.spoken[:1].isalnum()
        line += f" {piece.spoken}" if apart else piece.spoken
        before = piece.plain
    line = _SPACE.sub(" ", line)
    for pattern, replacement in _TIDY:
        line = pattern.sub(replacement, line)
    return _EDGE.sub("", line).rstrip(" ,;:-")
