"""Does a summary name what its text does not? Names and numbers are held against the text. Pure.

A model that writes in its own words may add a person, a place or a sum. What is found here is not in the text
in any of the ways in which a careful writer would put it otherwise: a part of a name for the whole, plural
and possessive, "French" for France, letters for a long name, another way to write a number or a date. What is
not found may still be wrong: words without capitals, a name in the wrong place, a "not" left out.

Names are told by their capitals: not at all in scripts that have none, and in German, where every noun has
one, only when two stand together. The first word of a sentence counts in English only, unless it is an
ordinary word.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from stentor_summarize.figures import figures, is_number, stated, supported
from stentor_summarize.ordinary_words import DEMONYMS, ENDINGS, OPENERS, PARTICLES, TITLES

_TOKEN = re.compile(r"[^\W_](?:[\w.'’&\-]*[^\W_])?")  # noqa: RUF001
_JOINED = re.compile(r"\.?[ \t]|\.[ \t]?")
_OPENS = re.compile(r"(?:[.!?…:;])[\s\"'“”‘’«(\[*•\-–—]*$")  # noqa: RUF001
_POSSESSIVE = re.compile(r"(?:['’]s|['’])$")  # noqa: RUF001
_LONGEST_NAME = 8
_NOUNS_CAPITAL = frozenset({"de", "lb"})
_TITLE_CASE_SHARE = 0.75
_TITLE_CASE_WORDS = 4


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int
    opens: bool
    """It stands where every word has a capital: at the start of a sentence, or in a title."""

    @property
    def bare(self) -> str:
        return _POSSESSIVE.sub("", self.text)

    @property
    def folded(self) -> str:
        return _folded(self.bare)

    @property
    def capital(self) -> bool:
        return any(letter.isupper() for letter in self.text) and self.text not in ("I", "A")


class Source:
    """A text that summaries are held against."""

    def __init__(self, text: str, language: str | None) -> None:
        self._text = text
        self._language = language

    def inventions(self, summary: str) -> tuple[str, ...]:
        """Names and numbers of the summary that are not in the text, as the summary has them, once each."""
        numbers = [
            each.text for each in figures(summary, self._language) if not supported(each, self._values)
        ]
        unknown = (run for run in self._names(summary) if not self._has(run))
        names = [self._shown(summary, part) for run in unknown for part in self._strange(run)]
        return tuple(dict.fromkeys([*names, *numbers]))

    @cached_property
    def _values(self) -> frozenset[float]:
        return stated(self._text, self._language)

    @cached_property
    def _tokens(self) -> list[_Token]:
        return list(_tokens(self._text))

    @cached_property
    def _words(self) -> frozenset[str]:
        found = {each.folded for each in self._tokens}
        parts = {part for word in found for part in re.split(r"[-&]", word) if part}
        return frozenset(found | parts)

    @cached_property
    def _names_here(self) -> frozenset[str]:
        """Words that stand with a capital somewhere."""
        return frozenset(each.folded for each in self._tokens if each.capital)

    @cached_property
    def _running(self) -> str:
        return " " + " ".join(each.folded for each in self._tokens) + " "

    @cached_property
    def _runs(self) -> frozenset[tuple[str, ...]]:
        """Every name as a whole, without titles and particles."""
        found: set[tuple[str, ...]] = set()
        for run in _runs(self._tokens, self._text):
            found.add(_core(run))
            if run[0].opens and len(run) > 1:
                found.add(_core(run[1:]))
        return frozenset(each for each in found if each)

    @cached_property
    def _initials(self) -> frozenset[str]:
        return frozenset("".join(word[0] for word in run) for run in self._runs if len(run) > 1)

    def _names(self, summary: str) -> Iterator[list[_Token]]:
        tokens = list(_tokens(summary))
        for run in _runs(tokens, summary):
            if run[0].opens and (self._ordinary(run[0]) or not (self._english or self._knows(run[0].folded))):
                run = run[1:]
            alone = len(run) == 1 and self._language in _NOUNS_CAPITAL
            if run and not (alone and not run[0].text.isupper()):
                yield run

    @property
    def _english(self) -> bool:
        return self._language in (None, "en")

    def _ordinary(self, token: _Token) -> bool:
        """Whether a word that opens a sentence is none of a name."""
        word = token.folded
        if (
            word in OPENERS
            or is_number(word, self._language)
            or (self._knows(word) and word not in self._names_here)
        ):
            return True
        # An ordinary word's other forms: "researchers" of "research".
        stem = word[:5]
        related = len(word) > 5 and any(each.startswith(stem) for each in self._words)
        return not token.text.isupper() and (word.endswith(ENDINGS) or related) and not self._knows(word)

    def _has(self, run: list[_Token]) -> bool:
        words = _core(run)
        if not words or f" {' '.join(each.folded for each in run)} " in self._running:
            return True
        if "".join(word[0] for word in words) in self._words and len(words) > 1:
            return True
        if len(words) == 1:
            return self._knows(words[0]) or self._is_short_for(run)
        return all(map(self._knows, words)) and self._together(words)

    def _strange(self, run: list[_Token]) -> list[list[_Token]]:
        """Those parts of a name, as "A" and "B" of "A of B", that have a word nobody knows; all of it when
        the words are known and only do not belong together."""
        parts: list[list[_Token]] = [[]]
        for token in run:
            if token.folded in PARTICLES and not token.capital:
                parts.append([])
            else:
                parts[-1].append(token)
        strange = [part for part in parts if not all(self._knows(each.folded) for each in part)]
        return strange or [run]

    def _is_short_for(self, run: list[_Token]) -> bool:
        return run[-1].bare.replace(".", "").isupper() and _core(run)[0].replace(".", "") in self._initials

    def _knows(self, word: str) -> bool:
        if (
            word in self._words
            or word.replace("-", "") in self._words
            or word.replace(".", "") in self._words
        ):
            return True
        forms = {
            word + "s",
            word + "es",
            word.removesuffix("s"),
            word.removesuffix("es"),
            DEMONYMS.get(word, ""),
        }
        return bool(forms & self._words) or any(each in self._names_here for each in _places(word))

    def _together(self, words: tuple[str, ...]) -> bool:
        """Whether the words are one name's, or whole names one after the other: "Governor Ann Lee" where the
        text has "Ann Lee" and "governor"; but not "Ann Smith" where it has "Ann Lee" and "John Smith"."""
        if len(words) > _LONGEST_NAME or not self._runs:
            return True
        if any(_within(words, run) for run in self._runs):
            return True
        return any(words[:at] in self._runs and self._together(words[at:]) for at in range(1, len(words)))

    @staticmethod
    def _shown(summary: str, run: list[_Token]) -> str:
        return _POSSESSIVE.sub("", summary[run[0].start : run[-1].end])


def _tokens(text: str) -> Iterator[_Token]:
    start = 0
    for line in text.splitlines(keepends=True):
        title = _is_title(line)
        for match in _TOKEN.finditer(line):
            before = line[max(0, match.start() - 12) : match.start()]
            opens = title or not before.strip() or bool(_OPENS.search(before))
            yield _Token(match[0], start + match.start(), start + match.end(), opens)
        start += len(line)


def _is_title(line: str) -> bool:
    words = [word for word in _TOKEN.findall(line) if len(word) > 3 and word[0].isalpha()]
    capitals = sum(1 for word in words if word[0].isupper())
    return len(words) >= _TITLE_CASE_WORDS and capitals >= _TITLE_CASE_SHARE * len(words)


def _runs(tokens: list[_Token], text: str) -> Iterator[list[_Token]]:
    """Words with capitals that stand together; "of", "de" and their like may stand between."""
    run: list[_Token] = []
    held: list[_Token] = []
    for token in tokens:
        before = held or run
        last = before[-1] if before else None
        goes_on = last is not None and _JOINED.fullmatch(text[last.end : token.start]) and not token.opens
        if not goes_on:
            if run:
                yield run
            run, held = [], []
        if token.capital and not token.text[0].isdigit():
            run += [*held, token]
            held = []
        elif run and token.folded in PARTICLES:
            held.append(token)
        else:
            if run:
                yield run
            run, held = [], []
    if run:
        yield run


def _core(run: list[_Token]) -> tuple[str, ...]:
    """What makes a name: without titles, particles and the initials of middle names."""
    words = [each.folded for each in run]
    kept = [word for word in words if word not in TITLES and word not in PARTICLES]
    full = [word for word in kept if len(word) > 1]
    return tuple(full or kept)


def _within(words: tuple[str, ...], run: tuple[str, ...]) -> bool:
    """Whether the words stand in the run in this order."""
    rest = iter(run)
    return all(word in rest for word in words)


def _places(word: str) -> Iterator[str]:
    """Names of which the word may be made, or which may be made of it: Italian, Italy; Japan, Japanese."""
    for ending in ("ese", "ian", "ish", "an", "n", "i"):
        bare = word.removesuffix(ending)
        if bare != word and len(bare) >= 4:
            yield from (bare, bare + "y", bare + "a", bare + "e", bare + "ia")
        stem = word.rstrip("aey") if len(word) > 4 else word
        yield from (word + ending, stem + ending)


def _folded(word: str) -> str:
    """Without case, accents and the full stops of "U.S."."""
    plain = unicodedata.normalize("NFKD", word)
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.casefold().replace(".", "").replace("’", "'")  # noqa: RUF001
