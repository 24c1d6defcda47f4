"""From a recording to its transcript: its pieces are heard side by side, and joined in order."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np

from stentor_stt.audio import Cut, Decoder, Plan, Recording
from stentor_stt.engines import Heard, Piece
from stentor_stt.options import Options, Task
from stentor_stt.pieces import StoredPiece
from stentor_stt.sound import SAMPLE_RATE, milliseconds
from stentor_stt.spelling import Speller
from stentor_stt.transcript import Segment, Transcript, joined, separator_of

Hear: TypeAlias = Callable[[Piece], Awaitable[Heard]]
"""What a piece says. Many may be asked for at once; cancelling gives one up."""

Report: TypeAlias = Callable[[int, int | None], None]
"""Told again and again: milliseconds of sound done, and in all as far as that is known."""

SURE_OF_LANGUAGE = 0.6
"""A confidence from which on one piece, however short, settles the language of the others."""

SURE_SAMPLES = 10 * SAMPLE_RATE
"""Speech of which there is so much settles it at any confidence."""


class Memory(Protocol):
    """Keeps pieces that are finished, for a later run of the same job. Of a recording that is but one piece
    nothing is kept."""

    async def finished(self) -> Iterable[StoredPiece]:
        """Those of earlier runs, in order."""

    def keep(self, piece: StoredPiece) -> None:
        """Must be quick; the piece may be written later."""


class Listener(Protocol):
    """Learns from each piece while the recording passes, and adds that to the transcript."""

    async def listen(self, cut: Cut) -> None: ...

    async def told(self, transcript: Transcript) -> Transcript: ...


class NoMemory:
    async def finished(self) -> Iterable[StoredPiece]:
        return ()

    def keep(self, piece: StoredPiece) -> None: ...


def _report_nothing(done_ms: int, total_ms: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Recognition:
    """What is wanted of a recording, and who helps."""

    hear: Hear
    options: Options
    plan: Plan
    in_flight: int = 16
    """Pieces that wait for the model or are with it, at most. Bounds memory."""
    memory: Memory = field(default_factory=NoMemory)
    report: Report = _report_nothing
    listener: Listener | None = None

    async def transcript(self, decoder: Decoder, path: Path) -> Transcript:
        """What is said in a file. Raises what decoding and hearing raise.

        When it is cancelled or fails, pieces that wait are given up and decoding ends.
        """
        async with decoder.open(path, self.plan) as recording:
            work = _Work(self, recording)
            await work.do()
            transcript = work.transcript()
        return await self.listener.told(transcript) if self.listener else transcript


class _Work:
    """What has been heard of one recording so far."""

    def __init__(self, wanted: Recognition, recording: Recording) -> None:
        self._wanted = wanted
        self._recording = recording
        self._options = wanted.options
        self._room = asyncio.Semaphore(wanted.in_flight)
        self._memory: Memory = NoMemory()
        self._before: dict[int, StoredPiece] = {}
        self._under_way: dict[int, Cut] = {}
        self._pieces: dict[int, StoredPiece] = {}
        self._language: str | None = wanted.options.language
        self._confidence: float | None = None

    async def do(self) -> None:
        cuts = self._recording
        first = [cut for cut in (await anext(cuts, None), await anext(cuts, None)) if cut]
        self._under_way = {cut.number: cut for cut in first}
        if len(first) > 1:
            self._memory = self._wanted.memory
            self._before = {piece.number: piece for piece in await self._memory.finished()}
        try:
            async with asyncio.TaskGroup() as hearing:
                for cut in first:
                    await self._take(cut, hearing)
                async for cut in cuts:
                    await self._take(cut, hearing)
        except BaseExceptionGroup as group:
            # Whatever failed first made the others stop.
            raise group.exceptions[0] from None

    async def _take(self, cut: Cut, hearing: asyncio.TaskGroup) -> None:
        self._under_way[cut.number] = cut
        if self._wanted.listener:
            await self._wanted.listener.listen(cut)
        before = self._before.get(cut.number)
        if before is not None and _same(cut, before):
            self._add(before)
        else:
            await self._room.acquire()
            # The others are heard in the language of the first, so it goes alone.
            alone = self._options.language is None
            task = hearing.create_task(self._hear(cut))
            if alone:
                await task
        self._report()

    async def _hear(self, cut: Cut) -> None:
        sound = np.frombuffer(cut.pcm, np.float32)
        heard = await self._wanted.hear(Piece(sound, self._options))
        piece = self._finished(cut, heard)
        self._memory.keep(piece)
        self._add(piece)
        self._room.release()
        self._report()

    def _finished(self, cut: Cut, heard: Heard) -> StoredPiece:
        language = heard.language if heard.segments else None
        speller = Speller(self._wanted.options.spelling, self._written_in(language))
        length_ms = milliseconds(cut.end - cut.start)
        start_ms = milliseconds(cut.start)
        segments = [
            # A model may end its last segment after the sound, where the next piece begins.
            _of_channel(speller.spelled(segment.within(0, length_ms).shifted(start_ms)), cut.channel)
            for segment in heard.segments
        ]
        confidence = heard.language_confidence if language else None
        return StoredPiece(cut.number, cut.channel, cut.start, cut.end, tuple(segments), language, confidence)

    def _add(self, piece: StoredPiece) -> None:
        self._pieces[piece.number] = piece
        del self._under_way[piece.number]
        if piece.language is not None:
            self._learn(piece.language, piece.language_confidence or 0.0, piece)

    def _learn(self, language: str, confidence: float, piece: StoredPiece) -> None:
        """Keep the language that is most probable so far, and settle it once it is certain enough."""
        settled = self._options.language is not None
        if self._confidence is None or (not settled and confidence > self._confidence):
            self._language, self._confidence = language, confidence
        enough = piece.end_sample - piece.start_sample >= SURE_SAMPLES
        if not settled and (enough or confidence >= SURE_OF_LANGUAGE):
            self._options = replace(self._options, language=self._language)

    def transcript(self) -> Transcript:
        duration_ms = self._recording.duration_ms or 0
        pieces = [piece for _, piece in sorted(self._pieces.items())]
        spoken = any(piece.segments for piece in pieces)
        # One channel after the other: on each times rise, between them they may overlap.
        channels = [
            joined(
                [(0, piece.segments) for piece in pieces if piece.channel == channel],
                duration_ms=duration_ms,
                language=self._language if spoken else None,
                language_confidence=self._confidence if spoken else None,
                text_language=self._written_in(self._language) if spoken else None,
            )
            for channel in sorted({piece.channel for piece in pieces}, key=lambda number: number or 0)
        ]
        return _together(channels, duration_ms)

    def _written_in(self, spoken: str | None) -> str | None:
        return "en" if self._wanted.options.task is Task.TRANSLATE else spoken

    def _report(self) -> None:
        first = min((cut.start for cut in self._under_way.values()), default=self._recording.settled)
        plan, header = self._wanted.plan, self._recording.info.duration_seconds
        done_ms = max(0, milliseconds(min(first, self._recording.settled)) - plan.start_ms)
        length_ms = None if header is None else round(header * 1000)
        ends = [each for each in (plan.end_ms, length_ms) if each is not None]
        # A header may promise less than there is.
        total_ms = max(min(ends) - plan.start_ms, done_ms) if ends else None
        self._wanted.report(done_ms, total_ms)


def _same(cut: Cut, before: StoredPiece) -> bool:
    found = (before.channel, before.start_sample, before.end_sample)
    return found == (cut.channel, cut.start, cut.end)


def _of_channel(segment: Segment, channel: int | None) -> Segment:
    if channel is None:
        return segment
    words = tuple(replace(word, channel=channel) for word in segment.words)
    return replace(segment, channel=channel, words=words)


def _together(channels: Sequence[Transcript], duration_ms: int) -> Transcript:
    """Channels that were heard by themselves as one transcript, in the order in which things were said."""
    if not channels:
        return Transcript("", None, None, duration_ms, ())
    if len(channels) == 1:
        return channels[0]
    segments = sorted(
        (segment for channel in channels for segment in channel.segments),
        key=lambda segment: (segment.start_ms, segment.channel or 0),
    )
    one = channels[0]
    separator = separator_of(one.text_language or one.language)
    text = separator.join(segment.text for segment in segments if segment.text)
    return replace(one, text=text, segments=tuple(segments))
