"""A text that is being spoken: sentence after sentence from the model, joined, encoded, and told in time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stentor_tts.alignment import aligned
from stentor_tts.encoding import Encoder, FileEncoder
from stentor_tts.engines import Spoken, Utterance
from stentor_tts.formats import FORMATS
from stentor_tts.joining import Joiner
from stentor_tts.providers import model_of
from stentor_tts.script import Pause, Script, Sentence
from stentor_tts.sounds import Facts, Timed, Times
from stentor_tts.speaking import Part, Speaker
from stentor_tts.speeches import Manner
from stentor_tts.voices import Voice

SLOWEST, FASTEST = 0.25, 4.0
"""What engines take: a fast sentence of a fast text is no faster."""

T = TypeVar("T")
Waiting = deque[tuple[Sentence | Pause, "asyncio.Task[Spoken] | None"]]


class Synthesis:
    """Speaks one text, once: as a stream by `chunks`, or into a file by `write`."""

    def __init__(self, speaker: Speaker, voice: Voice, manner: Manner, script: Script) -> None:
        self._speaker = speaker
        self._voice = voice
        self._manner = manner
        self._script = script
        self._format = FORMATS[manner.format]
        self._joiner = Joiner(manner.sample_rate, rate=manner.speed)
        self._begun = False
        self.sentences = sum(isinstance(part, Sentence) for part in script)

    @property
    def model(self) -> str:
        return model_of(self._voice)

    @property
    def done(self) -> int:
        """Sentences that are spoken and joined."""
        return len(self._joiner.timeline.sentences)

    @property
    def duration_ms(self) -> int:
        """Of all that is joined so far."""
        return self._joiner.timeline.duration_ms

    async def chunks(self, part: Part) -> AsyncGenerator[bytes, None]:
        """The bytes of the file as they are made, with a header that knows no length. Closing it stops the
        speaking. Raises what `Speaker.say` raises."""
        encoder = Encoder(self._format, self._manner.sample_rate)

        def encoded(each: Sentence | Pause, spoken: Spoken | None) -> bytes:
            return encoder.add(self._samples(each, spoken))

        try:
            async with aclosing(self._said(part)) as said:
                async for each, spoken in said:
                    if chunk := await _in_thread(encoded, each, spoken):
                        yield chunk
            if chunk := await _in_thread(encoder.finish):
                yield chunk
        finally:
            encoder.close()

    async def write(self, part: Part, path: Path, report: Callable[[], None]) -> None:
        """A whole file, with its length in the header; `report` is called after each sentence and pause.
        Raises what `Speaker.say` raises."""
        encoder = FileEncoder(path, self._format, self._manner.sample_rate)

        def encode(each: Sentence | Pause, spoken: Spoken | None) -> None:
            encoder.add(self._samples(each, spoken))

        try:
            async with aclosing(self._said(part)) as said:
                async for each, spoken in said:
                    await _in_thread(encode, each, spoken)
                    report()
            await _in_thread(encoder.finish)
        finally:
            encoder.close()

    def finished(self, characters: int) -> tuple[Facts, Times]:
        """What there is to tell once all is spoken."""
        manner, timeline = self._manner, self._joiner.timeline
        facts = Facts(
            format=manner.format,
            media_type=self._format.type_at(manner.sample_rate),
            sample_rate=manner.sample_rate,
            duration_ms=timeline.duration_ms,
            characters=characters,
            sentences=self.sentences,
            engine=self._voice.engine,
            model=self.model,
            voice=self._voice.id,
            language=manner.language,
        )
        sentences = tuple(Timed(each.text, each.start_ms, each.end_ms) for each in timeline.sentences)
        if not manner.words:
            return facts, Times(sentences)
        words = (word for sentence in timeline.sentences for word in sentence.words)
        return facts, Times(sentences, tuple(Timed(word.text, word.start_ms, word.end_ms) for word in words))

    async def _said(self, part: Part) -> AsyncGenerator[tuple[Sentence | Pause, Spoken | None], None]:
        """The parts of the script in order. While one is taken the next sentences are spoken, as many as
        `part.ahead` says."""
        coming = iter(self._script)
        waiting: Waiting = deque()
        current: asyncio.Task[Spoken] | None = None
        try:
            while self._ask_ahead(coming, waiting, part):
                each, current = waiting.popleft()
                self._ask_ahead(coming, waiting, part)
                yield each, await current if current else None
        finally:
            tasks = [task for task in (current, *(task for _, task in waiting)) if task]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ask_ahead(self, coming: Iterator[Sentence | Pause], waiting: Waiting, part: Part) -> bool:
        """Whether there is anything more."""
        while sum(task is not None for _, task in waiting) < part.ahead and (each := next(coming, None)):
            task = asyncio.create_task(self._say(each, part)) if isinstance(each, Sentence) else None
            waiting.append((each, task))
        return bool(waiting)

    async def _say(self, sentence: Sentence, part: Part) -> Spoken:
        rate = min(max(self._manner.speed * sentence.prosody.rate, SLOWEST), FASTEST)
        utterance = Utterance(sentence.spoken, self._voice.engine_voice, self._manner.language, rate)
        first, self._begun = not self._begun, True
        (spoken,) = await self._speaker.say(
            self._voice, [utterance], job=part.job, caller=part.caller, live=part.live and first
        )
        return spoken

    def _samples(self, each: Sentence | Pause, spoken: Spoken | None) -> NDArray[np.float32]:
        """What comes next in the sound."""
        if isinstance(each, Pause):
            return self._joiner.pause(each)
        assert spoken, "sentences are spoken"
        if self._manner.words and not spoken.words:
            spoken = replace(spoken, words=aligned(spoken, each.spoken))
        return self._joiner.add(each, spoken)


async def _in_thread(act: Callable[..., T], *arguments: Any) -> T:
    """What it gives. Who is cancelled waits for its end all the same, so that nobody closes what it works
    on."""
    working = asyncio.ensure_future(asyncio.to_thread(act, *arguments))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait([working])
        raise
