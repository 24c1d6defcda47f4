"""Lines that were broken to fit a page become paragraphs again. Pure."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

SHORT_LINE = 0.75
"""A line that is shorter than this part of a full one ends a paragraph, if what follows may begin one."""

EDGE_LINES = 2
"""Titles and numbers of pages are looked for in so many lines at each edge of a page."""

REPEATED_PART, LEAST_PAGES = 0.5, 3
"""A line at the edge of more than this part of the pages, and of so many at least, is no part of the text."""

DIGITS = re.compile(r"\d+")
PAGE_NUMBER = re.compile(
    r"\W*(?:page|seite|página|pagina|p\.)?\s*\d{1,4}(?:\s*(?:/|of|von|de|sur)\s*\d{1,4})?\W*", re.IGNORECASE
)
BROKEN_WORD = re.compile(r"[^\W\d_]-$")
BEGINS_ITEM = re.compile(r"(?:[•‣▪◦●·*–—-]|\(?\d{1,3}[.)]|[a-z][.)])\s")  # noqa: RUF001


def without_running_lines(pages: Sequence[str]) -> list[str]:
    """The pages without what is printed on each of them: titles above, numbers below."""
    lines = [[line.strip() for line in page.splitlines() if line.strip()] for page in pages]
    seen = Counter(key for page in lines for key in {_key(line) for line in _edges(page)})
    often = max(LEAST_PAGES, REPEATED_PART * len(pages))
    running = {key for key, count in seen.items() if count >= often}
    return ["\n".join(_trimmed(page, running)) for page in lines]


def reflowed(text: str) -> str:
    """Lines joined to paragraphs, which an empty line parts; words that were broken at a line's end made
    whole."""
    lines = [" ".join(line.split()) for line in text.replace("\u00ad", "").splitlines()]
    full = _full_length(lines)
    paragraphs: list[str] = []
    current = ""
    for line, following in pairwise((*lines, "")):
        current = _continued(current, line)
        if not line or _ends_paragraph(line, following, full):
            paragraphs.append(current)
            current = ""
    return "\n\n".join(each for each in (*paragraphs, current) if each)


def _edges(page: Sequence[str]) -> list[str]:
    return [*page[:EDGE_LINES], *page[EDGE_LINES:][-EDGE_LINES:]]


def _key(line: str) -> str:
    """The same for lines that differ by the number of the page."""
    return DIGITS.sub("#", line.casefold())


def _trimmed(page: list[str], running: set[str]) -> list[str]:
    def goes(line: str) -> bool:
        return _key(line) in running or PAGE_NUMBER.fullmatch(line) is not None

    top = [line for line in page[:EDGE_LINES] if not goes(line)]
    rest = page[EDGE_LINES:]
    return [*top, *rest[:-EDGE_LINES], *(line for line in rest[-EDGE_LINES:] if not goes(line))]


def _full_length(lines: Sequence[str]) -> int:
    """How long a line is that was broken because it is full: longer ones are rare."""
    lengths = sorted(len(line) for line in lines if line)
    return lengths[len(lengths) * 9 // 10] if lengths else 0


def _continued(current: str, line: str) -> str:
    if not (current and line):
        return current or line
    if BROKEN_WORD.search(current) and line[0].islower():
        return current[:-1] + line
    return f"{current} {line}"


def _ends_paragraph(line: str, following: str, full: int) -> bool:
    """Whether a new one begins after this line: at the sign of a list, or where there was room left."""
    if BEGINS_ITEM.match(following):
        return True
    return len(line) < SHORT_LINE * full and not following[:1].islower()
