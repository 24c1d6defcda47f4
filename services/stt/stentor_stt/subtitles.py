"""Subtitles that read well: SRT, WebVTT and plain text from a transcript."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from stentor_stt.transcript import Segment, Transcript

SENTENCE_END = re.compile(r"[.?!…。？！]+[\"'”’»)\]]*$")  # noqa: RUF001 - full-width marks are meant
CLAUSE_END = re.compile(r"[,;:、，；：–—]+[\"'”’»)\]]*$")  # noqa: RUF001 - full-width marks are meant
ABBREVIATIONS = frozenset({"mr.", "mrs.", "ms.", "dr.", "st.", "prof.", "vs.", "e.g.", "i.e.", "no."})
MIN_CUE_MS = 1000
"""Shorter cues flicker: a sentence end does not close them, and they stay up if nothing follows."""


@dataclass(frozen=True, slots=True)
class CueShape:
    """How much a viewer is shown at a time. Wide (East Asian) characters count as two."""

    max_line_width: int = 42
    max_lines: int = 2
    max_cue_seconds: float = 7.0
    pause_seconds: float = 0.8
    """A silence this long between two words ends the cue."""
    max_characters_per_second: float = 17.0
    """Text that is spoken faster than this stays up longer, where nothing follows."""


@dataclass(frozen=True, slots=True)
class Cue:
    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, or a part of an unspaced text, with the blank (or nothing) that stands before it."""

    lead: str
    text: str
    start_ms: int
    end_ms: int
    voice: tuple[str | None, int | None] = (None, None)
    """Speaker and channel."""


def to_srt(transcript: Transcript, shape: CueShape | None = None) -> str:
    """SubRip: numbered from 1, comma before the milliseconds, one blank line between cues."""
    blocks = (
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{_srt_text(cue)}\n"
        for number, cue in enumerate(cues(transcript, shape), 1)
    )
    return "\n".join(blocks)


def to_vtt(transcript: Transcript, shape: CueShape | None = None) -> str:
    """WebVTT; `&`, `<` and `>` are escaped, so no text can end a cue or open a tag."""
    blocks = (
        f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{_vtt_text(cue)}\n"
        for cue in cues(transcript, shape)
    )
    return "\n".join(["WEBVTT\n", *blocks])


def to_text(transcript: Transcript) -> str:
    """The words alone, one line, ended by a newline; nothing when nothing was said."""
    text = " ".join(transcript.text.split())
    return f"{text}\n" if text else ""


def cues(transcript: Transcript, shape: CueShape | None = None) -> list[Cue]:
    """Cues in order; none is empty, each is of one speaker and fits the shape. They overlap only where
    people speak at the same time."""
    shape = shape or CueShape()
    groups = list(_groups(_pieces(transcript, shape), shape))
    starts = [*(group[0].start_ms for group in groups[1:]), transcript.duration_ms]
    return [_cue(group, next_start, shape) for group, next_start in zip(groups, starts, strict=False)]


def _cue(group: list[_Piece], next_start_ms: int, shape: CueShape) -> Cue:
    start, lines = group[0].start_ms, _balanced(group, shape)
    reading_ms = math.ceil(sum(map(_width, lines)) / shape.max_characters_per_second * 1000)
    wanted = max(group[-1].end_ms, start + MIN_CUE_MS, start + reading_ms)
    longest = start + int(shape.max_cue_seconds * 1000)
    # A player drops a cue that lasts no time, so even the tightest spot gets a millisecond.
    end = max(min(wanted, longest, max(next_start_ms, group[-1].end_ms)), start + 1)
    return Cue(start, end, lines)


def _groups(pieces: Iterator[_Piece], shape: CueShape) -> Iterator[list[_Piece]]:
    group: list[_Piece] = []
    for piece in pieces:
        while group and (ready := _ready(group, piece, shape)):
            yield group[:ready]
            group = group[ready:]
        group.append(piece)
    if group:
        yield group


def _ready(group: list[_Piece], following: _Piece, shape: CueShape) -> int:
    """How many of the pieces make a finished cue now that another one follows; 0 for none."""
    if _ends(group, following, shape):
        return len(group)
    if _overflows([*group, following], shape):
        return _clause_break(group)
    return 0


def _overflows(group: list[_Piece], shape: CueShape) -> bool:
    lasts_ms = group[-1].end_ms - group[0].start_ms
    too_wide = len(_lines(group, shape.max_line_width)) > shape.max_lines
    return too_wide or lasts_ms > shape.max_cue_seconds * 1000


def _ends(group: list[_Piece], following: _Piece, shape: CueShape) -> bool:
    last = group[-1]
    if following.voice != last.voice:
        return True
    if following.start_ms - last.end_ms >= shape.pause_seconds * 1000:
        return True
    sentence = SENTENCE_END.search(last.text) and last.text.lower() not in ABBREVIATIONS
    return bool(sentence) and last.end_ms - group[0].start_ms >= MIN_CUE_MS


def _clause_break(group: list[_Piece]) -> int:
    """Where to end a full cue: after the last comma of its second half, else where it is full."""
    for at in range(len(group), len(group) // 2, -1):
        if CLAUSE_END.search(group[at - 1].text):
            return at
    return len(group)


def _lines(group: list[_Piece], width: int) -> list[str]:
    lines: list[str] = []
    for piece in group:
        longer = lines[-1] + piece.lead + piece.text if lines else ""
        if lines and _width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece.text)
    return lines


def _balanced(group: list[_Piece], shape: CueShape) -> tuple[str, ...]:
    """As few lines as fit, and those as even as can be."""
    fewest = len(_lines(group, shape.max_line_width))
    widest_piece = max(_width(piece.text) for piece in group)
    for width in range(min(widest_piece, shape.max_line_width), shape.max_line_width):
        lines = _lines(group, width)
        if len(lines) == fewest:
            return tuple(lines)
    return tuple(_lines(group, shape.max_line_width))


def _pieces(transcript: Transcript, shape: CueShape) -> Iterator[_Piece]:
    segments = [segment for segment in transcript.segments if segment.text]
    leads = _leads(transcript.text, [segment.text for segment in segments])
    for segment, segment_lead in zip(segments, leads, strict=True):
        lead = segment_lead
        for piece in _segment_pieces(segment):
            yield from _narrow(replace(piece, lead=piece.lead or lead), shape)
            lead = ""


def _segment_pieces(segment: Segment) -> Iterator[_Piece]:
    if not segment.words:
        # Without word times they are estimated from the number of letters.
        voice = (segment.speaker, segment.channel)
        for piece in _spread(segment.text.split(), " ", segment.start_ms, segment.end_ms):
            yield replace(piece, voice=voice)
        return
    words = [word for word in segment.words if word.text]
    for word, lead in zip(words, _leads(segment.text, [word.text for word in words]), strict=True):
        yield _Piece(lead, word.text, word.start_ms, word.end_ms, (word.speaker, word.channel))


def _leads(text: str, parts: list[str]) -> Iterator[str]:
    """For each part of the text, in order, the blank it has before it there, or nothing."""
    cursor = 0
    for part in parts:
        found = text.find(part, cursor)
        yield "" if found == cursor else " "
        cursor = found + len(part) if found >= 0 else cursor


def _spread(texts: list[str], lead: str, start_ms: int, end_ms: int) -> Iterator[_Piece]:
    """Pieces that share the span in proportion to their length."""
    ends = list(accumulate(len(text) for text in texts))
    times = [start_ms, *(start_ms + (end_ms - start_ms) * end // ends[-1] for end in ends)]
    for number, (text, span) in enumerate(zip(texts, pairwise(times), strict=True)):
        yield _Piece(lead if number else "", text, *span)


def _narrow(piece: _Piece, shape: CueShape) -> Iterator[_Piece]:
    """The piece, cut in parts when alone it is wider than a line (unspaced text, a long link)."""
    if _width(piece.text) <= shape.max_line_width:
        yield piece
        return
    step = max(1, shape.max_line_width // 4)
    parts = [piece.text[at : at + step] for at in range(0, len(piece.text), step)]
    for number, part in enumerate(_spread(parts, "", piece.start_ms, piece.end_ms)):
        yield replace(part, lead=part.lead if number else piece.lead, voice=piece.voice)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _clock(milliseconds: int, mark: str) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}{mark}{rest:03d}"


def _srt_text(cue: Cue) -> str:
    # SubRip has no escape; an arrow inside a text would be taken for a time line.
    return "\n".join(cue.lines).replace("-->", "→")


def _vtt_text(cue: Cue) -> str:
    return "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
