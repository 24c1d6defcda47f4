"""Kokoro's voices as ONNX: the model file, and beside it the voices as tables of styles.

Formats: that of https://github.com/thewh1teagle/kokoro-onnx (`kokoro-v1.0.onnx` with `voices-v1.0.bin`, an
archive of arrays) and that of https://huggingface.co/onnx-community/Kokoro-82M-v1.0-ONNX (`model.onnx` with
`voices/NAME.bin`). A style depends on how long the text is. Phonemes are those of hibari, which was taught by
Kokoro.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import hibari
import numpy as np
from numpy.typing import NDArray

from stentor_common.shelf import ModelNotFound
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
from stentor_tts.engines.readers import ReaderNotHere, espeak_reader
from stentor_tts.engines.sounds import Reader, Sound, encoded, passages, told, word_times
from stentor_tts.models import advice, locate
from stentor_tts.voice_names import languages_of

SAMPLE_RATE = 24_000
STYLE = 256
LATE_MS = 40
"""As with hibari, whose durations it taught."""

MOST_PHONEMES = 500
"""The model knows 510 places; two are for the ends."""

ESPEAK_VOICES = {"es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}
AS_KOKORO = {
    "aɪ": "I",
    "aʊ": "W",
    "dz": "ʣ",
    "dʒ": "ʤ",
    "eɪ": "A",
    "oʊ": "O",
    "əʊ": "Q",
    "ts": "ʦ",
    "tʃ": "ʧ",
    "ɔɪ": "Y",
}
"""How Kokoro writes sounds that eSpeak writes with two signs, see EspeakG2P in https://github.com/hexgrad/misaki."""

TWO_SIGNS = re.compile("|".join(AS_KOKORO))

Styles = NDArray[np.float32]


class KokoroEngine:
    """One model with all the voices beside it."""

    name = "kokoro"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = settings.model
        self._settings = settings
        self._loaded: tuple[OnnxModel, Mapping[str, Styles], dict[str, int]] | None = None
        self._readers: dict[str, Reader] = {}

    def load(self) -> None:
        if self._loaded is not None:
            return
        weights = locate("kokoro", self.model, self._settings.data_dir)
        voices = read_voices(weights.parent)
        if not voices:
            raise ModelNotFound(
                f"Kokoro's voices are not beside {weights.name}: {advice('kokoro', self.model)}"
            )
        model = OnnxModel(
            weights, threads=self._settings.threads, device=self._settings.device, rounds_by="Round"
        )
        vocabulary = json.loads((Path(hibari.__file__).parent / "assets" / "vocab.json").read_text("utf-8"))
        self._loaded = model, voices, vocabulary

    def unload(self) -> None:
        self._loaded = None

    def voices(self) -> tuple[EngineVoice, ...]:
        _, voices, _ = self._ready()
        return tuple(
            EngineVoice(name, languages_of("kokoro", self.model, name) or ("en-us",), SAMPLE_RATE)
            for name in sorted(voices)
        )

    def say(self, utterances: Sequence[Utterance]) -> list[Spoken]:
        return [self._spoken(each) for each in utterances]

    def _spoken(self, utterance: Utterance) -> Spoken:
        _, voices, _ = self._ready()
        name = utterance.voice or min(voices)
        if name not in voices:
            raise NoSuchSpeaker(name, self.model, sorted(voices))
        sounds = self._reader(utterance.language).read(utterance.text)
        if not any(sound.audible for sound in sounds):
            raise CannotSay(utterance.text, name)
        parts: list[NDArray[np.float32]] = []
        words: list[SpokenWord] = []
        at_ms = 0.0
        for passage in passages(sounds, MOST_PHONEMES):
            samples, times = self._passage(passage, voices[name], own_share(utterance.rate), at_ms)
            parts.append(samples)
            words += times
            at_ms += len(samples) * 1000 / SAMPLE_RATE
        samples = np.concatenate(parts)
        times = trimmed(told(utterance.text, words), samples, SAMPLE_RATE)
        return at_pace(Spoken(samples, SAMPLE_RATE, times), utterance.rate / own_share(utterance.rate))

    def _passage(
        self, sounds: Sequence[Sound], styles: Styles, rate: float, at_ms: float
    ) -> tuple[NDArray[np.float32], tuple[SpokenWord, ...]]:
        model, _, vocabulary = self._ready()
        text = encoded(
            sounds, lambda phoneme: [vocabulary[phoneme]] if phoneme in vocabulary else [], before=1, after=1
        )
        ids = np.asarray([[0, *text.ids, 0]], np.int64)
        speed = np.int32 if model.inputs["speed"] == "tensor(int32)" else np.float32
        inputs: dict[str, NDArray[Any]] = {
            "tokens" if "tokens" in model.inputs else "input_ids": ids,
            "style": styles[min(len(text.ids), len(styles)) - 1].reshape(1, STYLE),
            "speed": np.asarray([rate], speed),
        }
        outputs, steps = model.run(inputs)
        samples = outputs[0].astype(np.float32).ravel()
        if steps is None:
            return samples, ()
        lasting = lasting_ms(steps, len(samples), SAMPLE_RATE)
        return samples, word_times(sounds, text.owners, lasting, offset_ms=at_ms - LATE_MS)

    def _reader(self, language: str) -> Reader:
        """Of a language, read as Kokoro learned it. Raises ReaderNotHere."""
        if language not in self._readers:
            self._readers[language] = _new_reader(language)
        return self._readers[language]

    def _ready(self) -> tuple[OnnxModel, Mapping[str, Styles], dict[str, int]]:
        if self._loaded is None:
            raise RuntimeError("load() comes before using the engine")
        return self._loaded


class _AsKokoro:
    """A reader of eSpeak's phonemes, with Kokoro's."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def read(self, text: str) -> list[Sound]:
        return [
            Sound(sound.text, TWO_SIGNS.sub(lambda signs: AS_KOKORO[signs[0]], sound.phonemes))
            for sound in self._reader.read(text)
        ]


def read_voices(folder: Path) -> dict[str, Styles]:
    """All voices in a folder: arrays of an archive, or a file for each in `voices/`."""
    found: dict[str, Styles] = {}
    for path in sorted((*folder.glob("voices*.npz"), *folder.glob("voices*.bin"))):
        with np.load(path, allow_pickle=False) as archive:
            found |= {name: _styles(archive[name]) for name in archive.files}
    for path in sorted((folder / "voices").glob("*.bin")):
        found[path.stem] = _styles(np.fromfile(path, "<f4"))
    return found


def _styles(table: NDArray[Any]) -> Styles:
    return np.asarray(table, np.float32).reshape(-1, STYLE)


def _new_reader(language: str) -> Reader:
    spoken = language.partition("-")[0]
    if spoken == "en":
        return EnglishReader(british=language == "en-gb")
    if spoken in ESPEAK_VOICES:
        return _AsKokoro(espeak_reader(ESPEAK_VOICES[spoken]))
    raise ReaderNotHere(language, offered=("en", *ESPEAK_VOICES))
