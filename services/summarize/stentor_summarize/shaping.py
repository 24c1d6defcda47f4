"""The same summary in the shape that was asked for, whoever made it. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from stentor_summarize.engines import Digest, Style
from stentor_summarize.lengths import Goal, word_count
from stentor_summarize.sentences import sentences_of

_MARK = re.compile(r"^\s*(?:[-*•–·‣▪+]|\(?\d{1,3}[.)])\s+")  # noqa: RUF001
_EMPHASIS = re.compile(r"\*\*|__|^#+\s*", re.MULTILINE)
_PREAMBLE = re.compile(
    r"\s*(?:(?:sure|certainly|of course|okay|ok)\b[!,.:]?\s+)?"
    r"(?:(?:here (?:is|are)|here's|(?:the following|this|below) is)\b[^\n:]{0,60}"
    r"\b(?:summary|headline|points|minutes|bullets?|list|text|version|title)\b[^\n:]{0,40}:"
    r"|(?:\w+ )?(?:summary|headline|title)\s*:)\s*",
    re.IGNORECASE,
)
_SECTION = re.compile(r"^\W*(summary|overview|decisions?|action items?|actions|tasks|next steps)\W*$", re.I)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_FINISHED = re.compile(r"[.!?…。！？।॥؟][\"'”’»)\]]*$")  # noqa: RUF001
_NOTHING = re.compile(r"^\W*(?:none|nothing|no (?:decisions?|action items?|tasks)\b.*|n/a)\W*$", re.I)


@dataclass(frozen=True, slots=True)
class Shaped:
    text: str
    bullets: tuple[str, ...] = ()
    headline: str | None = None
    action_items: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


def shaped(digest: Digest, style: Style, language: str | None = None) -> Shaped:
    """A digest's text as `style` wants it: paragraphs, points, one line, or minutes with their sections."""
    text = tidied(digest.text)
    match style:
        case Style.bullets:
            points = _points(text, language)
            return Shaped(_list(points), bullets=points)
        case Style.headline:
            line = _headline(text, language)
            return Shaped(line, headline=line)
        case Style.minutes:
            return _minutes(text, digest)
        case Style.paragraph:
            return Shaped(_paragraph(text))


def tidied(text: str) -> str:
    """Without what models put around an answer: "Sure, here is …", marks of emphasis, headings' hashes."""
    text = _EMPHASIS.sub("", _THOUGHT.sub("", text).strip())
    preamble = _PREAMBLE.match(text)
    return (text[preamble.end() :] if preamble else text).strip()


def _points(text: str, language: str | None) -> tuple[str, ...]:
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2 and not any(map(_MARK.match, lines)):
        lines = [each.text for each in sentences_of(text, language)]
    return tuple(_MARK.sub("", line).strip() for line in lines)


def _headline(text: str, language: str | None) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "")
    first = next((each.text for each in sentences_of(line, language)), "")
    return _MARK.sub("", first).strip().strip('"“”').rstrip(".。।").strip()


def _paragraph(text: str) -> str:
    """Points become sentences of one paragraph; paragraphs stay."""
    return re.sub(
        r"(?<!\n)\n(?!\n)", " ", "\n".join(_MARK.sub("", line) for line in text.splitlines())
    ).strip()


def _minutes(text: str, digest: Digest) -> Shaped:
    overview, decisions, actions = _sections(text)
    decisions = list(digest.decisions) or decisions
    actions = list(digest.action_items) or actions
    parts = [overview]
    for title, points in (("Decisions", decisions), ("Action items", actions)):
        if points:
            parts.append(f"{title}:\n{_list(points)}")
    whole = "\n\n".join(part for part in parts if part)
    return Shaped(whole, action_items=tuple(actions), decisions=tuple(decisions))


def _sections(text: str) -> tuple[str, list[str], list[str]]:
    """Minutes that a model wrote, by their headings: (overview, decisions, action items)."""
    found: dict[str, list[str]] = {"overview": [], "decisions": [], "actions": []}
    now = "overview"
    for line in text.splitlines():
        title = _SECTION.match(line)
        if title:
            now = _section(title[1].lower())
        elif line.strip() and not _NOTHING.match(line):
            found[now].append(_MARK.sub("", line).strip())
    return " ".join(found["overview"]), found["decisions"], found["actions"]


def _section(title: str) -> str:
    if title.startswith("decision"):
        return "decisions"
    return "overview" if title in ("summary", "overview") else "actions"


def _list(points: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def within(text: str, aim: Goal, style: Style, language: str | None, *, cut_off: bool = False) -> str:
    """What a model wrote, without whole sentences or points that are too many. The first one stays in any
    case. `cut_off` when it had to stop at its limit: then a sentence without an end goes too."""
    text = tidied(text)
    if style in (Style.headline, Style.minutes):
        return text
    points = style is Style.bullets and len(text.splitlines()) > 1
    ends = list(_line_ends(text)) if points else [each.end for each in sentences_of(text, language)]
    if cut_off and len(ends) > 1 and not _FINISHED.search(text[: ends[-1]].rstrip()):
        ends.pop()
    if aim.sentences is not None:
        ends = ends[: aim.sentences]
    else:
        counts = accumulate(word_count(text[a:b]) for a, b in pairwise([0, *ends]))
        ends = [
            end
            for at, (end, words) in enumerate(zip(ends, counts, strict=True))
            if not at or words <= aim.most_words
        ]
    return text[: ends[-1]].rstrip() if ends else text


def _line_ends(text: str) -> Iterator[int]:
    at = 0
    for line in text.splitlines(keepends=True):
        at += len(line)
        if line.strip():
            yield at
