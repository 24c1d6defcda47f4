"""How often speakers are mistaken, and how long telling them apart takes.

Conversations are mixed of recorded voices and given to the decoder and the speaker tracker as a job's
recording is. The limits in `stentor_stt.voices.groups` were chosen with the voices called TUNED and others;
what the product does is what is measured with UNSEEN.
"""

import asyncio
import itertools
import random
import tempfile
import time
import wave
from collections import defaultdict
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from conversations import RATE, Conversation, Errors, Sound, Turn, errors, recordings
from servers import ROOT

from stentor_dev.debian import NoPackages
from stentor_dev.voices import voices
from stentor_stt.audio import Decoder, Plan
from stentor_stt.diarization import SpeakerTracker
from stentor_stt.options import Diarization
from stentor_stt.transcript import Segment, Transcript, Word
from stentor_stt.voices.encoder import VoiceEncoder

TUNED = ("allison", "june", "carlo", "cs-small-fish", "cs-big-fish")
UNSEEN = ("ivrvoice", "menardi", "armelle", "colombian", "nl-small-fish", "nl-big-fish", "librivox")

RECORDINGS = 60
ROUNDS = 4
SECONDS = {1: 60.0, 2: 90.0, 3: 120.0, 4: 150.0}
"""By the number of speakers."""

TURN_MS = 200
"""Speech is given to the tracker in words of about this length."""


def diarization() -> dict[str, Any]:
    try:
        files = voices(ROOT / ".cache")
    except NoPackages as reason:
        return {"not_measured": str(reason)}
    files["librivox"] = sorted((ROOT / "tests" / "speech").glob("*.wav"))
    encoder = VoiceEncoder(ROOT / "data")
    encoder.load()
    found: dict[str, Any] = {}
    for name, chosen in (("tuned", TUNED), ("unseen", UNSEEN)):
        pool = {voice: recordings(files[voice], count=RECORDINGS) for voice in chosen}
        found[name] = asyncio.run(_Measurement(encoder, pool).run())
    return found


class _Measurement:
    """Conversations of some voices, and what the tracker makes of them."""

    def __init__(self, encoder: VoiceEncoder, pool: dict[str, list[Sound]]) -> None:
        self._encoder = encoder
        self._pool = pool
        self._errors: defaultdict[str, list[Errors]] = defaultdict(list)
        self._right: defaultdict[str, list[bool]] = defaultdict(list)
        self._sound_seconds = self._took = 0.0

    async def run(self) -> dict[str, Any]:
        decoder = Decoder()
        with tempfile.TemporaryDirectory(prefix="stentor-bench-") as folder:
            for speakers, seconds in SECONDS.items():
                for seed in range(ROUNDS):
                    chosen = random.Random(100 * speakers + seed).sample(sorted(self._pool), speakers)
                    pool = {voice: self._pool[voice] for voice in chosen}
                    for telephone in (False, True):
                        conversation = Conversation(pool, 100 * speakers + seed, seconds, telephone)
                        await self._measure(decoder, conversation, Path(folder) / "conversation.wav")
        await decoder.close()
        return {
            "conversations": len(SECONDS) * ROUNDS * 2,
            "minutes": round(self._sound_seconds / 60, 1),
            "seconds_for_an_hour": round(3600 * self._took / self._sound_seconds, 1),
            **{name: self._summary(name) for name in self._errors},
        }

    async def _measure(self, decoder: Decoder, conversation: Conversation, path: Path) -> None:
        sound, speakers = conversation.sound(), len(conversation.voices)
        _write(path, sound)
        given, found = (
            SpeakerTracker(self._encoder, wanted) for wanted in (Diarization(speakers), Diarization())
        )
        spans: list[tuple[int, int]] = []
        async with decoder.open(path, Plan()) as recording:
            async for cut in recording:
                pcm = np.frombuffer(cut.pcm, np.float32)
                started = time.perf_counter()
                given.add(pcm, cut.start, cut.speech)
                self._took += time.perf_counter() - started
                found.add(pcm, cut.start, cut.speech)
                spans += cut.speech
        self._sound_seconds += len(sound) / RATE
        spoken = _as_words(spans)
        for name, tracker in (("given", given), ("found", found)):
            started = time.perf_counter()
            labelled = tracker.label(spoken)
            self._took += time.perf_counter() - started if name == "found" else 0
            turns = [(w.start_ms / 1000, w.end_ms / 1000, str(w.speaker)) for w in labelled.words]
            self._note(f"{speakers}_{name}", conversation.turns, turns)

    def _note(self, name: str, truth: list[Turn], found: list[Turn]) -> None:
        self._errors[name].append(errors(truth, found))
        self._right[name].append(len({who for *_, who in found}) == len({who for *_, who in truth}))

    def _summary(self, name: str) -> dict[str, Any]:
        spoken, missed, false, confused = np.sum([astuple(each) for each in self._errors[name]], axis=0)
        return {
            "error_rate": round((missed + false + confused) / spoken, 4),
            "confused": round(confused / spoken, 4),
            "worst": round(max((e.missed + e.false + e.confused) / e.spoken for e in self._errors[name]), 4),
            "right_number": f"{sum(self._right[name])} of {len(self._right[name])}",
        }


def _as_words(spans: list[tuple[int, int]]) -> Transcript:
    """All speech as words of about TURN_MS."""
    words: list[Word] = []
    for first, end in spans:
        start_ms, end_ms = first * 1000 / RATE, end * 1000 / RATE
        count = max(round((end_ms - start_ms) / TURN_MS), 1)
        edges = np.linspace(start_ms, end_ms, count + 1).round().astype(int).tolist()
        words += [Word("w", a, b, 1.0) for a, b in itertools.pairwise(edges)]
    text = " ".join(word.text for word in words)
    segment = Segment(words[0].start_ms, words[-1].end_ms, text, tuple(words), 0.0, 0.0, 1.0, 0.0)
    return Transcript(text, "en", 1.0, segment.end_ms, (segment,))


def _write(path: Path, sound: Sound) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
