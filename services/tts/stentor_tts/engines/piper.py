"""Voices in Piper's format: a VITS model as ONNX, and a JSON file that says how it is spoken to.

The format: https://github.com/OHF-Voice/piper1-gpl, docs/TRAINING.md, and the JSON files of its voices.
Piper's own program is GPL and not needed: docs/decisions/0025-english-is-read-by-hibari.md says who finds
phonemes.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stentor_tts.alignment import trimmed
from stentor_tts.engines import (
    CannotSay,
    EngineSettings,
    EngineVoice,
    ModelUnreadable,
    NoSuchSpeaker,
    Spoken,
    SpokenWord,
    Utterance,
)
from stentor_tts.engines.onnx import Durations, OnnxModel, lasting_ms
from stentor_tts.engines.pace import at_pace, own_share
from stentor_tts.engines.readers import LettersReader, espeak_reader
from stentor_tts.engines.sounds import Encoded, Reader, Sound, encoded, passages, told, word_times
from stentor_tts.models import locate, not_found
from stentor_tts.voice_names import sample_of

START, END, PAD = "^", "$", "_"
MOST_PHONEMES = 400
"""Said at once: memory grows with the square."""


@dataclass(frozen=True, slots=True)
class PiperVoice:
    """What the JSON file beside a model says."""

    sample_rate: int
    language: str
    espeak_voice: str
    spelled: bool
    """The model takes letters, not phonemes."""
    ids: dict[str, list[int]]
    speakers: dict[str, int]
    several: bool
    noise: float
    length: float
    width_noise: float

    @classmethod
    def read(cls, path: Path) -> PiperVoice:
        """Raises ModelUnreadable."""
        try:
            voice = cls.of(json.loads(path.read_text("utf-8")))
            for mark in (START, END, PAD):
                voice.ids[mark]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ModelUnreadable(path.name, f"it describes no voice of Piper ({error!r})") from error
        return voice

    @classmethod
    def of(cls, about: dict[str, Any]) -> PiperVoice:
        kind = about.get("phoneme_type", "espeak")
        if kind not in ("espeak", "text"):
            raise ValueError(f"phonemes of type {kind} are not offered")
        scales = about.get("inference", {})
        espeak_voice = about.get("espeak", {}).get("voice", "en-us")
        code = about.get("language", {}).get("code") or espeak_voice
        return cls(
            sample_rate=int(about["audio"]["sample_rate"]),
            language=code.replace("_", "-").lower(),
            espeak_voice=espeak_voice,
            spelled=kind == "text",
            ids=about["phoneme_id_map"],
            speakers=about.get("speaker_id_map") or {},
            several=int(about.get("num_speakers", 1)) > 1,
            noise=float(scales.get("noise_scale", 0.667)),
            length=float(scales.get("length_scale", 1)),
            width_noise=float(scales.get("noise_w", 0.8)),
        )

    def ids_of(self, phoneme: str) -> list[int]:
        """Of a phoneme with the pad that follows each; none for one that the model never learned."""
        found = self.ids.get(phoneme) or self.ids.get(phoneme.lower())
        return [*found, *self.ids[PAD]] if found else []

    def speaker(self, name: str, model: str) -> int | None:
        """The number of a speaker, the first without a name; None for a model with only one. Raises
        NoSuchSpeaker."""
        if not self.several:
            if name:
                raise NoSuchSpeaker(name, model, [])
            return None
        if not name:
            return 0
        if name in self.speakers:
            return self.speakers[name]
        raise NoSuchSpeaker(name, model, list(self.speakers))


class PiperEngine:
    """One model, with one or many speakers."""

    name = "piper"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._loaded: tuple[OnnxModel, PiperVoice, Reader] | None = None
        self._frames_of_a_phoneme = 0.0
        """In the mean; 0 where the model does not tell."""

    def load(self) -> None:
        if self._loaded is not None:
            return
        weights = locate("piper", self.model, self._settings.data_dir)
        about = weights.with_name(weights.name + ".json")
        if not about.is_file():
            raise not_found("piper", self.model)
        voice = PiperVoice.read(about)
        reader = LettersReader() if voice.spelled else espeak_reader(voice.espeak_voice)
        model = OnnxModel(
            weights, threads=self._settings.threads, device=self._settings.device, rounds_by="Ceil"
        )
        self._loaded = model, voice, reader
        self._frames_of_a_phoneme = self._measured_pace()

    def unload(self) -> None:
        self._loaded = None

    def voices(self) -> tuple[EngineVoice, ...]:
        _, voice, _ = self._ready()
        names = list(voice.speakers) or [""]
        return tuple(EngineVoice(name, (voice.language,), voice.sample_rate) for name in names)

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        return [self._spoken(each) for each in utterances]

    def _spoken(self, utterance: Utterance) -> Spoken:
        _, voice, reader = self._ready()
        voice.speaker(utterance.voice, self.model)
        sounds = [
            Sound(sound.text, unicodedata.normalize("NFD", sound.phonemes))
            for sound in reader.read(utterance.text)
        ]
        if not any(sound.audible for sound in sounds):
            raise CannotSay(utterance.text, utterance.voice or self.model)
        parts: list[NDArray[np.float32]] = []
        words: list[SpokenWord] = []
        at_ms = 0.0
        for passage in passages(sounds, MOST_PHONEMES):
            samples, times = self._passage(passage, utterance, at_ms)
            parts.append(samples)
            words += times
            at_ms += len(samples) * 1000 / voice.sample_rate
        samples = np.concatenate(parts)
        times = trimmed(told(utterance.text, words), samples, voice.sample_rate)
        said = Spoken(samples, voice.sample_rate, times)
        return at_pace(said, utterance.rate / own_share(utterance.rate))

    def _passage(
        self, sounds: Sequence[Sound], utterance: Utterance, at_ms: float
    ) -> tuple[NDArray[np.float32], tuple[SpokenWord, ...]]:
        _, voice, _ = self._ready()
        speaker = voice.speaker(utterance.voice, self.model)
        text, samples, frames = self._run(sounds, speaker, self._length(own_share(utterance.rate)))
        if frames is None:
            return samples, ()
        lasting = lasting_ms(frames, len(samples), voice.sample_rate)
        return samples, word_times(sounds, text.owners, lasting, offset_ms=at_ms)

    def _run(
        self, sounds: Sequence[Sound], speaker: int | None, length: float
    ) -> tuple[Encoded, NDArray[np.float32], Durations | None]:
        model, voice, _ = self._ready()
        start, end = [*voice.ids[START], *voice.ids[PAD]], voice.ids[END]
        text = encoded(sounds, voice.ids_of, before=len(start), after=len(end))
        ids = np.asarray([[*start, *text.ids, *end]], np.int64)
        inputs: dict[str, NDArray[Any]] = {
            "input": ids,
            "input_lengths": np.asarray([ids.shape[1]], np.int64),
            "scales": np.asarray([voice.noise, voice.length * length, voice.width_noise], np.float32),
        }
        if speaker is not None:
            inputs["sid"] = np.asarray([speaker], np.int64)
        outputs, frames = model.run(inputs)
        return text, outputs[0].astype(np.float32).ravel(), frames

    def _length(self, rate: float) -> float:
        """The factor of durations that makes speech so fast: because each is rounded up, by half a frame in
        the mean, it is smaller than one would think."""
        mean = self._frames_of_a_phoneme
        return max((mean / rate - 0.5) / (mean - 0.5), 0.1) if mean > 1 else 1 / rate

    def _measured_pace(self) -> float:
        _, voice, reader = self._ready()
        sounds = reader.read(sample_of(voice.language, "Stentor"))
        text, _, frames = self._run(sounds, voice.speaker("", self.model), 1)
        return float(frames.sum()) / len(text.owners) if frames is not None else 0.0

    def _ready(self) -> tuple[OnnxModel, PiperVoice, Reader]:
        if self._loaded is None:
            raise RuntimeError("load() comes before using the engine")
        return self._loaded
