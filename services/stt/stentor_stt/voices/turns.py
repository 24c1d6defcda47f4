"""Segments with words of several speakers as segments of one speaker each."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from stentor_stt.transcript import Segment, Word


def of_one_speaker(segment: Segment, speakers: Sequence[str], separator: str) -> list[Segment]:
    """The segment, cut where the speaker changes; `speakers` has one for each word, at least one.

    Figures about the whole are those of each part. Which tokens belong to which part is not known,
    so parts have none.
    """
    words = [replace(word, speaker=name) for word, name in zip(segment.words, speakers, strict=True)]
    if len(set(speakers)) == 1:
        return [replace(segment, words=tuple(words), speaker=speakers[0])]
    runs = [list(run) for _, run in itertools.groupby(words, key=lambda word: word.speaker)]
    texts = _texts(segment.text, runs, separator)
    parts = [
        replace(
            segment,
            start_ms=run[0].start_ms,
            end_ms=run[-1].end_ms,
            text=text,
            words=tuple(run),
            tokens=(),
            speaker=run[0].speaker,
        )
        for run, text in zip(runs, texts, strict=True)
    ]
    parts[0] = replace(parts[0], start_ms=segment.start_ms)
    parts[-1] = replace(parts[-1], end_ms=segment.end_ms)
    return parts


def _texts(text: str, runs: Sequence[Sequence[Word]], separator: str) -> list[str]:
    """What each run of words says, cut out of the text where all words are found in it."""
    starts = list(_starts(text, [word for run in runs for word in run]))
    firsts = list(itertools.accumulate((len(run) for run in runs[:-1]), initial=0))
    if -1 in starts:
        return [separator.join(word.text for word in run) for run in runs]
    edges = [0, *(starts[first] for first in firsts[1:]), len(text)]
    return [text[start:end].strip() for start, end in itertools.pairwise(edges)]


def _starts(text: str, words: Sequence[Word]) -> Iterator[int]:
    """Where each word begins, one after the other; -1 for those that are not there."""
    end = 0
    for word in words:
        start = text.find(word.text, end)
        yield start
        end = start + len(word.text) if start >= 0 else end
