"""Speakers of recordings that are being recognised: listens to each piece beside the model."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stentor_common.adapters import MissingExtra
from stentor_common.engine_room import EngineRoom
from stentor_common.engines import Care
from stentor_common.shelf import ModelNotFound
from stentor_stt.audio import Cut, Decoder, Detector, Plan, Recording
from stentor_stt.diarization import SpeakerTracker
from stentor_stt.errors import SpeakerSilent
from stentor_stt.options import Diarization
from stentor_stt.sound import Sound
from stentor_stt.transcript import Transcript
from stentor_stt.voices import Encoder

SAMPLE_MS = 60_000
"""So much of a known voice's sample is listened to."""

Stored: TypeAlias = Callable[[str], AbstractAsyncContextManager[Path]]
"""The upload with an id, as a file here."""


class Speakers:
    """Tells speakers apart in any number of recordings at once. The voice encoder is loaded with the first
    and unloaded `idle_seconds` after the last."""

    def __init__(self, make: Callable[[], Encoder], *, idle_seconds: float) -> None:
        def made() -> Encoder:
            try:
                return make()
            except MissingExtra as missing:
                raise ModelNotFound(f"speakers cannot be told apart here: {missing}") from missing

        room: EngineRoom[Encoder] = EngineRoom()
        self._encoder = room.add("voice-encoder", made, Care(idle_seconds=idle_seconds))

    @asynccontextmanager
    async def listener(
        self, wanted: Diarization, decoder: Decoder, stored: Stored, detector: Detector = Detector.SPEECH
    ) -> AsyncIterator["SpeakerListener"]:
        """Who listens to one recording, and knows the voices that are known.

        Raises ModelNotFound, SpeakerSilent, and what decoding their samples raises.
        """
        async with self._encoder.borrow() as encoder:
            tracker = SpeakerTracker(encoder, wanted)
            for speaker in wanted.known:
                async with stored(speaker.upload_id) as path:
                    cuts = decoder.open(path, Plan(detector, end_ms=SAMPLE_MS))
                    await _learn(tracker, speaker.name, cuts)
            async with aclosing(SpeakerListener(tracker)) as listener:
                yield listener

    async def close(self) -> None:
        await self._encoder.close()


class SpeakerListener:
    """Follows the voices of one recording, at most one piece behind who decodes it."""

    def __init__(self, tracker: SpeakerTracker) -> None:
        self._tracker = tracker
        self._taking: asyncio.Task[None] | None = None

    async def listen(self, cut: Cut) -> None:
        """Begin with the piece once the one before is done."""
        await self._done()
        self._taking = asyncio.create_task(
            asyncio.to_thread(self._tracker.add, _sound(cut), cut.start, cut.speech, cut.channel)
        )

    async def told(self, transcript: Transcript) -> Transcript:
        """The transcript with speakers, see `SpeakerTracker.label`."""
        await self._done()
        return await asyncio.to_thread(self._tracker.label, transcript)

    async def aclose(self) -> None:
        """Wait for what is under way: its thread cannot be stopped."""
        if self._taking:
            await asyncio.wait([self._taking])

    async def _done(self) -> None:
        if self._taking:
            await self._taking


async def _learn(tracker: SpeakerTracker, name: str, sample: AbstractAsyncContextManager[Recording]) -> None:
    spoke = False
    async with sample as recording:
        async for cut in recording:
            speech = [(first - cut.start, end - cut.start) for first, end in cut.speech]
            spoke |= await asyncio.to_thread(tracker.know, name, _sound(cut), speech)
    if not spoke:
        raise SpeakerSilent(name)


def _sound(cut: Cut) -> Sound:
    return np.frombuffer(cut.pcm, np.float32)
