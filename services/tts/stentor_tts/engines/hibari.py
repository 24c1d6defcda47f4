"""hibari: small English voices made from Kokoro's, with a reader of their own (https://pypi.org/project/hibari-tts/).

The library's parts are put together here, in place of its one call, because that does not tell when a word
sounds: its model plans 25 ms steps for each phoneme, of two frames each.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import hibari
import numpy as np
from hibari import dsp
from hibari.tts import MAX_PHONEMES
from hibari.voices import VOICES, voice_path
from numpy.typing import NDArray

from stentor_common.errors import Unavailable
from stentor_tts.alignment import trimmed
from stentor_tts.engines import (
    CannotSay,
    EngineSettings,
    EngineVoice,
    NoSuchSpeaker,
    Spoken,
    SpokenWord,
    Utterance,
)
from stentor_tts.engines.english import EnglishReader
from stentor_tts.engines.onnx import OnnxModel, lasting_ms
from stentor_tts.engines.pace import at_pace, own_share
from stentor_tts.engines.sounds import Sound, encoded, passages, told, word_times
from stentor_tts.models import find, not_found

LATE_MS = 40
"""The plan is behind the sound by so much. Measured where speech begins: 28 ms (median) at the first word of
a sentence, 48 ms after a comma."""

SEED = 0
"""Of the noise in the sound: the same text sounds the same."""


class FetchFailed(Unavailable):
    code = "model_not_fetched"


class HibariEngine:
    """One voice; its name is the model's."""

    name = "hibari"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._loaded: tuple[OnnxModel, EnglishReader, dict[str, int]] | None = None

    def load(self) -> None:
        if self._loaded is not None:
            return
        settings = self._settings
        # A sentence takes some milliseconds on one core; more of them do not make it faster.
        model = OnnxModel(self._weights(), threads=settings.threads or 1, device="cpu", rounds_by="Round")
        vocabulary = json.loads((Path(hibari.__file__).parent / "assets" / "vocab.json").read_text("utf-8"))
        self._loaded = model, EnglishReader(british=VOICES[self.model]["british"]), vocabulary

    def unload(self) -> None:
        self._loaded = None

    def voices(self) -> tuple[EngineVoice, ...]:
        about = VOICES[self.model]
        return (EngineVoice(self.model, (about["language"].lower(),), dsp.SR),)

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        return [self._spoken(each) for each in utterances]

    def _spoken(self, utterance: Utterance) -> Spoken:
        if self._loaded is None:
            raise RuntimeError("load() comes before using the engine")
        if utterance.voice not in ("", self.model):
            raise NoSuchSpeaker(utterance.voice, self.model, [self.model])
        _, reader, _ = self._loaded
        sounds = reader.read(utterance.text)
        if not any(sound.audible for sound in sounds):
            raise CannotSay(utterance.text, self.model)
        parts: list[NDArray[np.float32]] = []
        words: list[SpokenWord] = []
        at_ms = 0.0
        noise = np.random.default_rng(SEED)
        for passage in passages(sounds, MAX_PHONEMES):
            samples, times = self._passage(passage, own_share(utterance.rate), noise, at_ms)
            parts.append(samples)
            words += times
            at_ms += len(samples) * 1000 / dsp.SR
        samples = np.concatenate(parts)
        times = trimmed(told(utterance.text, words), samples, dsp.SR)
        return at_pace(Spoken(samples, dsp.SR, times), utterance.rate / own_share(utterance.rate))

    def _passage(
        self, sounds: Sequence[Sound], rate: float, noise: np.random.Generator, at_ms: float
    ) -> tuple[NDArray[np.float32], tuple[SpokenWord, ...]]:
        assert self._loaded
        model, _, vocabulary = self._loaded
        inputs = encoded(
            sounds, lambda phoneme: [vocabulary[phoneme]] if phoneme in vocabulary else [], before=1, after=1
        )
        ids = np.asarray([[0, *inputs.ids, 0]], np.int64)
        outputs, steps = model.run({"ids": ids, "speed": np.asarray([rate], np.float32)})
        samples: NDArray[np.float32] = dsp.synth(*(each[0] for each in outputs), noise)
        if steps is None:
            return samples, ()
        lasting = lasting_ms(steps, len(samples), dsp.SR)
        return samples, word_times(sounds, inputs.owners, lasting, offset_ms=at_ms - LATE_MS)

    def _weights(self) -> Path:
        if self.model not in VOICES:
            raise NoSuchSpeaker(self.model, "hibari", list(VOICES))
        here = find("hibari", self.model, self._settings.data_dir)
        if here is not None:
            return here.path
        if self._settings.offline:
            raise not_found("hibari", self.model)
        try:
            return Path(voice_path(self.model))
        except RuntimeError as error:
            raise FetchFailed(
                f"voice {self.model} could not be fetched from the model hub: try again"
            ) from error
