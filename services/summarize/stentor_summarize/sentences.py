"""Texts taken apart into paragraphs and sentences, so that the parts together are the text again. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from sentencex import segment

from stentor_summarize.turns import speech_start, turn_starts

ANY_LANGUAGE = "en"
"""Whose abbreviations count when nobody knows the language; its marks are those of all languages."""

# From the start of a run of blanks only: a megabyte of them must not be looked at from each.
_BLANK_LINES = re.compile(r"(?<![ \t])(?:[ \t]*\r?\n){2,}[ \t]*")
_LINE_END = re.compile(r"(?<![ \t])[ \t]*\r?\n[ \t]*")
_ITEM = re.compile(r"\s*(?:[-*•–·‣▪]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")  # noqa: RUF001
_FINISHED = re.compile(r"[.!?…。！？।॥؟:;][\"'”’»)\]]*$")  # noqa: RUF001

_WRAPPED_SHARE = 0.6
"""A line at least this long, compared with the longest of its paragraph, may go on in the next."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence and where it stands."""

    text: str
    """As written, without the speaker's label and with single spaces where lines end."""

    start: int
    end: int
    """Character offsets, with the blanks after it; each begins where the one before ends."""

    paragraph: int
    """Counted from 0."""

    speaker: str | None = None


def paragraphs(text: str) -> list[str]:
    """The paragraphs, or a transcript's turns, each with the blanks after it. Together they are the text."""
    return [text[start:end] for start, end, _ in _blocks(text)]


def sentences_of(text: str, language: str | None = None) -> tuple[Sentence, ...]:
    """Every sentence, in order; their spans cover the text from its start to its end.

    The language (ISO 639-1) decides which full stops end abbreviations. A line break ends a sentence where
    lines are items, headings or verses, and does not where a text is merely wrapped.
    """
    found: list[Sentence] = []
    for number, (start, end, speaker) in enumerate(_blocks(text)):
        block = text[start:end]
        at = start
        said = speech_start(block) if speaker else 0
        for piece in split_sentences(block, language):
            words = text[max(at, start + said) : at + len(piece)]
            found.append(Sentence(" ".join(words.split()), at, at + len(piece), number, speaker))
            at += len(piece)
    return tuple(_without_empty(found))


def split_sentences(text: str, language: str | None = None) -> list[str]:
    """One paragraph's sentences with the blanks around them. Together they are the paragraph."""
    return [piece for line in _lines(text) for piece in _split_line(line, language)]


def _blocks(text: str) -> list[tuple[int, int, str | None]]:
    """(start, end, speaker) of each paragraph or turn; they cover the text."""
    turns = turn_starts(text)
    if turns:
        speakers: dict[int, str | None] = {0: None, **dict(turns)}
    else:
        speakers = dict.fromkeys([0, *(match.end() for match in _BLANK_LINES.finditer(text))])
    edges = [*sorted(speakers), len(text)]
    return [(start, end, speakers[start]) for start, end in pairwise(edges) if start < end]


def _lines(paragraph: str) -> Iterator[str]:
    """Runs of lines that a sentence may cross."""
    edges = [match.end() for match in _LINE_END.finditer(paragraph) if match.end() < len(paragraph)]
    lines = [paragraph[a:b] for a, b in zip([0, *edges], [*edges, len(paragraph)], strict=True)]
    longest = max((len(line.strip()) for line in lines), default=0)
    run: list[str] = []
    for line in lines:
        if run and (_ITEM.match(line) or not _goes_on(run[-1].strip(), longest)):
            yield "".join(run)
            run = []
        run.append(line)
    if run:
        yield "".join(run)


def _goes_on(line: str, longest: int) -> bool:
    return len(line) >= _WRAPPED_SHARE * longest and not _FINISHED.search(line)


def _split_line(line: str, language: str | None) -> list[str]:
    pieces = segment(language or ANY_LANGUAGE, line)
    # What the library changed or left out would be lost; then the line stays whole.
    return list(pieces) if "".join(pieces) == line else [line]


def _without_empty(sentences: list[Sentence]) -> Iterator[Sentence]:
    """Blanks by themselves belong to the sentence before, at the start of the text to the one after."""
    held: Sentence | None = None
    lead = 0
    for each in sentences:
        if not each.text:
            if held is not None:
                held = Sentence(held.text, held.start, each.end, held.paragraph, held.speaker)
            continue
        if held is not None:
            yield held
        held = Sentence(each.text, each.start if held else lead, each.end, each.paragraph, each.speaker)
    if held is not None:
        yield held
