"""Summaries of texts of any length: passage by passage where the model cannot read them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from stentor_summarize.engines import Digest, Engine, Kind, Length, Style, Unit, Wanted, Working
from stentor_summarize.errors import NothingToSummarize
from stentor_summarize.faithful import Source
from stentor_summarize.languages import language_of
from stentor_summarize.lengths import goal, word_count
from stentor_summarize.minutes import minutes_of
from stentor_summarize.passages import cut, joined
from stentor_summarize.sentences import sentences_of
from stentor_summarize.shaping import Shaped, shaped
from stentor_summarize.summary import Summary, Warning

PASSAGES_AT_ONCE = 8
"""Then another text's turn comes, when one waits. Engines put passages beside each other as they like."""

WORDS_PER_TOKEN = 0.7
"""Fewer than in any language's own tokens, so that what is wanted in words fits the room there is."""

LEAST_PARTIAL_WORDS = 40

T = TypeVar("T")

Turn: TypeAlias = AbstractAsyncContextManager[object]
"""Entered, the engine is ours: a lock, or something that is one among other things."""


@dataclass(frozen=True, slots=True)
class _Watcher:
    """Who follows a summary while it is made."""

    report: Callable[[int, int], None]
    tell: Callable[[str], None]
    check: Callable[[], None]


class Summarizer:
    """Makes summaries with one engine, which is loaded.

    `turn` is shared by all who use the same engine: whoever holds it uses the engine, the others wait on
    the event loop, not in a thread. A long text lets go of it after every few passages.
    """

    def __init__(self, engine: Engine, turn: Turn) -> None:
        self._engine = engine
        self._turn = turn

    async def summarize(
        self,
        text: str,
        wanted: Wanted,
        *,
        report: Callable[[int, int], None] = lambda _done, _passages: None,
        tell: Callable[[str], None] = lambda _text: None,
        check: Callable[[], None] = lambda: None,
    ) -> Summary:
        """A text's summary as wanted. Raises NothingToSummarize, what the engine raises, and what `check`
        raises.

        The three are called on the event loop and must not block. `report` is told how many passages of how
        many are read; the second number grows where summaries are summarised again. `tell` gets the text so
        far, from its beginning each time; it becomes shorter when a try is given up for another. `check`
        raises what is to end the work, and is asked after each token.

        Nothing of the text is cut off: what does not fit the model is read in passages, their summaries are
        joined, and those made into one, on several levels where needed. Names and numbers that the text does
        not have cost the model's answer one further try; those that stay are named in `warnings`.
        """
        language = wanted.language or await asyncio.to_thread(language_of, text)
        wanted = replace(wanted, language=language)
        watcher = _Watcher(report, tell, check)
        return await _Run(self._engine, self._turn, text, wanted, watcher).summary()


class _Run:
    """One summary on its way."""

    def __init__(self, engine: Engine, turn: Turn, text: str, wanted: Wanted, watcher: _Watcher) -> None:
        self._engine = engine
        self._turn = turn
        self._text = text
        self._wanted = wanted
        self._watcher = watcher
        self._source_words = 0
        self._source = Source(text, wanted.language)
        self._done = 0
        self._ahead = 0

    async def summary(self) -> Summary:
        # A text may be a whole book: whatever looks at all of it does so beside the event loop.
        self._source_words = await asyncio.to_thread(word_count, self._text)
        if not self._source_words:
            raise NothingToSummarize
        passages = await self._cut(self._text)
        self._ahead = len(passages)
        self._progress(0)
        extractive = self._engine.kind is Kind.extractive
        digest = await (self._extracted(passages) if extractive else self._written(passages))
        warnings = [Warning("note", each) for each in digest.warnings]
        if not extractive:
            warnings += await self._doubts(digest)
        shape = shaped(digest, self._wanted.style, self._wanted.language)
        if self._wanted.style is Style.minutes and not (shape.action_items or shape.decisions):
            shape = shaped(await asyncio.to_thread(self._with_minutes, digest), Style.minutes)
        return self._told(digest, shape, len(passages), warnings)

    def _with_minutes(self, digest: Digest) -> Digest:
        """Models that cannot be asked for minutes, or found nothing: what the text states by itself."""
        sentences = sentences_of(self._text, self._wanted.language)
        found = minutes_of(sentences)
        return replace(
            digest,
            decisions=tuple(sentences[index].text for index in found.decisions),
            action_items=tuple(map(str, found.action_items)),
        )

    async def _extracted(self, passages: Sequence[str]) -> Digest:
        return (await self._digests(passages, self._wanted, last=True))[0]

    async def _written(self, passages: Sequence[str]) -> Digest:
        """Level by level until one passage is left, and that made into what is wanted."""
        wanted_words = goal(self._wanted.length, self._source_words, self._wanted.style).words
        while len(passages) > 1:
            if wanted_words > await self._room_words():
                return await self._by_shares(passages)
            partials = await self._faithful(passages, self._partial(passages), last=False)
            shorter = await self._cut(joined([each.text for each in partials]))
            if len(shorter) >= len(passages):
                # It does not write less than it reads, so this would never come to an end.
                return await self._by_shares(passages)
            passages = shorter
            self._ahead += len(passages)
        length = Length(Unit.words, wanted_words) if self._wanted.length.unit is Unit.ratio else None
        last = replace(self._wanted, length=length) if length else self._wanted
        return (await self._faithful(passages, last, last=True))[0]

    async def _by_shares(self, passages: Sequence[str]) -> Digest:
        """More is wanted than the model can write at once: each passage gives its share."""
        words = goal(self._wanted.length, self._source_words).words
        total = sum(map(word_count, passages))
        digests: list[Digest] = []
        for each in passages:
            share = Length(Unit.words, max(1, round(words * word_count(each) / total)))
            digests += await self._faithful([each], replace(self._wanted, length=share), last=False)
        return Digest(
            joined([each.text for each in digests]),
            action_items=tuple(item for each in digests for item in each.action_items),
            decisions=tuple(item for each in digests for item in each.decisions),
            generated_tokens=sum(each.generated_tokens for each in digests),
            warnings=tuple(dict.fromkeys(note for each in digests for note in each.warnings)),
        )

    async def _room_words(self) -> int:
        """How many words fit into a passage together with as many that are written of it."""
        limit = await self._quietly(lambda: self._engine.token_limit(self._wanted))
        return int(limit * WORDS_PER_TOKEN / 2)

    def _partial(self, passages: Sequence[str]) -> Wanted:
        """How a passage on the way is made shorter: to a third; minutes keep to what minutes are about."""
        longest = max(map(word_count, passages))
        length = Length(Unit.words, max(LEAST_PARTIAL_WORDS, longest // 3))
        style = Style.minutes if self._wanted.style is Style.minutes else Style.paragraph
        return replace(self._wanted, length=length, style=style)

    async def _faithful(self, passages: Sequence[str], wanted: Wanted, *, last: bool) -> list[Digest]:
        """The digests; one that names what its text does not is made once more, and the better one taken."""
        found = await self._digests(passages, wanted, last=last)
        for number, (passage, digest) in enumerate(zip(passages, found, strict=True)):
            # Held against the text itself on every level, lest mistakes of a partial summary become truths.
            doubts = await self._inventions(digest)
            if doubts:
                again = await self._digests([passage], replace(wanted, attempt=1), last=last, counted=False)
                better = len(await self._inventions(again[0])) < len(doubts)
                found[number] = again[0] if better else digest
        return found

    async def _inventions(self, digest: Digest) -> tuple[str, ...]:
        return await asyncio.to_thread(self._source.inventions, digest.text)

    async def _doubts(self, digest: Digest) -> list[Warning]:
        found = await self._inventions(digest)
        if not found:
            return []
        named = ", ".join(found)
        message = f"the summary names what the text does not: {named}; check it before you rely on it"
        return [Warning("not_in_source", message, found)]

    async def _cut(self, text: str) -> list[str]:
        def passages() -> list[str]:
            limit = self._engine.token_limit(self._wanted)
            found = cut(text, limit=limit, count=self._engine.count_tokens, language=self._wanted.language)
            if self._engine.kind is Kind.extractive:
                # Put together again they must be the text, or its sentences would be counted otherwise.
                return [each.text for each in found]
            return [each.shown for each in found]

        return await self._quietly(passages)

    async def _quietly(self, work: Callable[[], T]) -> T:
        self._watcher.check()
        async with self._turn:
            return await asyncio.to_thread(work)

    async def _digests(
        self, passages: Sequence[str], wanted: Wanted, *, last: bool, counted: bool = True
    ) -> list[Digest]:
        """What the engine answers, a few passages at a time so that others have their turn between."""
        extractive = self._engine.kind is Kind.extractive
        step = len(passages) if extractive else PASSAGES_AT_ONCE
        found: list[Digest] = []
        for start in range(0, len(passages), step):
            some = passages[start : start + step]
            async with self._turn:
                found += await self._followed(self._engine.digest(some, wanted, last), counted=counted)
        return found

    async def _followed(self, items: Iterator[str | Working | Digest], *, counted: bool) -> list[Digest]:
        found: list[Digest] = []
        so_far = ""
        async with aclosing(_in_thread(items)) as coming:
            async for item in coming:
                self._watcher.check()
                match item:
                    case str():
                        so_far += item
                        self._watcher.tell(so_far)
                    case Working() if counted and item.passages:
                        self._progress(item.passages - self._done)
                    case Digest():
                        found.append(item)
                        self._progress(int(counted and self._engine.kind is Kind.abstractive))
        return found

    def _progress(self, more: int) -> None:
        self._done += more
        self._watcher.report(self._done, max(self._done, self._ahead))

    def _told(self, digest: Digest, shape: Shaped, passages: int, warnings: list[Warning]) -> Summary:
        return Summary(
            text=shape.text,
            kind=self._engine.kind,
            engine=self._engine.name,
            model=self._engine.model,
            language=self._wanted.language,
            bullets=shape.bullets,
            headline=shape.headline,
            action_items=shape.action_items,
            decisions=shape.decisions,
            sentences=digest.sentences,
            passages=passages,
            source_words=self._source_words,
            words=word_count(shape.text),
            warnings=tuple(warnings),
        )


async def _in_thread(items: Iterator[T]) -> AsyncGenerator[T]:
    """The same items, each waited for in a thread. Closed early, it closes them, once they stand still."""
    nothing = object()
    step: asyncio.Future[object] | None = None
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(next, items, nothing))
            item = await asyncio.shield(step)
            if item is nothing:
                return
            yield item  # type: ignore[misc]
    finally:
        if step is not None and not step.done():
            await asyncio.wait([step])
        close = getattr(items, "close", None)
        if close is not None:
            await asyncio.to_thread(close)
