"""A text as it is going to be spoken: sentences and the pauses between them.

Pauses are all there, those that stand for the end of a sentence too: two sentences with none between them
follow each other at once, as the parts do of a sentence that is said in two manners.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, groupby

from stentor_tts import markdown, plain, ssml
from stentor_tts.errors import Unspeakable
from stentor_tts.passages import Passage, Pause, Prosody, Run
from stentor_tts.sentences import breaths, ends_clause, sentences
from stentor_tts.speakable import Piece, read, spoken
from stentor_tts.speakable.scripts import says

__all__ = ["Markup", "Pause", "Prosody", "Script", "Sentence", "script_of"]

SENTENCE_PAUSE = Pause(400)
CLAUSE_PAUSE = Pause(150)
_SHOWN = 40
"""Characters of a text that a message quotes."""


class Markup(StrEnum):
    """How a text is written."""

    text = "text"
    markdown = "markdown"
    ssml = "ssml"
    auto = "auto"
    """SSML where the text is a <speak> document, plain text otherwise."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or as much of one as a voice says in one breath."""

    text: str
    """As it is written."""
    spoken: str
    """Words to say, numbers and signs spelled out."""
    prosody: Prosody = field(default_factory=Prosody)


Script = tuple[Sentence | Pause, ...]


def script_of(text: str, *, markup: Markup | str = Markup.text, language: str = "en") -> Script:
    """The text as it is going to be spoken by a voice of the language (a BCP 47 code).

    Has one sentence at least. Raises Unspeakable for a text without anything that such a voice can say, or
    with a sentence in letters of another script; SsmlError for SSML that does not parse or is not offered.
    """
    script = tuple(_joined(_parts(_passages(text, Markup(markup), language), language)))
    if not any(isinstance(part, Sentence) for part in script):
        raise Unspeakable("there is nothing to say: the text has no letters and no digits", param="text")
    return script


_SSML = re.compile(r"\s*(?:\ufeff)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<speak[\s>/]", re.DOTALL)


def _passages(text: str, markup: Markup, language: str) -> Iterable[Passage | Pause]:
    if markup is Markup.ssml or (markup is Markup.auto and _SSML.match(text)):
        return ssml.passages(text, language)
    return markdown.passages(text, language) if markup is Markup.markdown else plain.passages(text)


@dataclass(frozen=True, slots=True)
class _Rest:
    """A pause that the text does not ask for; one that it asks for takes its place."""

    pause: Pause


def _joined(parts: Iterable[Sentence | Pause | _Rest]) -> Iterator[Sentence | Pause]:
    """With the rests between sentences only: the longest of those that meet, none beside a pause."""
    rest: Pause | None = None
    before: Sentence | Pause | None = None
    for part in parts:
        if isinstance(part, _Rest):
            rest = max(rest or part.pause, part.pause, key=lambda pause: pause.ms)
            continue
        if rest and isinstance(part, Sentence) and isinstance(before, Sentence):
            yield rest
        rest = None
        yield part
        before = part


def _parts(passages: Iterable[Passage | Pause], language: str) -> Iterator[Sentence | Pause | _Rest]:
    for passage in passages:
        if isinstance(passage, Pause):
            yield passage
            continue
        for runs in _sentences(passage, language):
            yield from _sentence(runs, language)
            yield _Rest(SENTENCE_PAUSE)
        yield _Rest(passage.rest)


def _sentences(passage: Passage, language: str) -> Iterator[list[Run]]:
    """The runs of each sentence of the passage; what the markup gives words to is never cut."""
    text = "".join(run.text for run in passage.runs)
    # Where the markup gives the words, no mark ends a sentence.
    marked = "".join(run.text if run.spoken is None else "x" * len(run.text) for run in passage.runs)
    ends = [] if passage.whole else list(accumulate(map(len, sentences(marked, language))))
    held: list[Run] = []
    at = index = 0
    for run in passage.runs:
        start, stop = at, at + len(run.text)
        while index < len(ends) and ends[index] < stop:
            end, index = ends[index], index + 1
            if end > at:
                if run.spoken is not None:
                    continue
                held.append(Run(text[at:end], None, run.prosody))
                at = end
            if held:
                yield held
                held = []
        held.append(run if at == start else Run(text[at:stop], None, run.prosody))
        at = stop
    if held:
        yield held


def _sentence(runs: list[Run], language: str) -> Iterator[Sentence | _Rest]:
    """The sentence in breaths, those of each manner by themselves; none where there is nothing to say."""
    for prosody, alike in groupby(runs, key=lambda run: run.prosody):
        pieces = [piece for run in alike for piece in _pieces(run, language)]
        for group in breaths(pieces):
            words = spoken(group)
            text = "".join(piece.written for piece in group).strip()
            if _is_said(words, text, language):
                yield Sentence(text or words, words, prosody)
                if ends_clause(group):
                    yield _Rest(CLAUSE_PAUSE)


def _pieces(run: Run, language: str) -> list[Piece]:
    if run.spoken is None:
        return read(run.text, language)
    return [Piece(run.text, run.spoken, plain=False)]


def _is_said(words: str, text: str, language: str) -> bool:
    if any(says(each, language) for each in words):
        return True
    if any(each.isalpha() for each in words):
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise Unspeakable(
            f"a voice of language {language!r} cannot say {shown!r}: choose a voice of the language "
            "that this is, or leave it out",
            param="text",
        )
    return False
