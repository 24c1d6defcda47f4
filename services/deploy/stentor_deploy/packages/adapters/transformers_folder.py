"""A folder that `save_pretrained` wrote, run by a pipeline of transformers."""

from __future__ import annotations

import io
import wave
from pathlib import Path
from typing import Any

SOUND = ("automatic-speech-recognition", "audio-classification")


class Model:
    """Takes what the pipeline takes: a text, a list of texts, a mapping with its arguments (`inputs` and, as
    `parameters`, options). Sound is the bytes of a WAV file, or `{"raw": [...], "sampling_rate": 16000}`.

    Answers `{"predictions": ...}`.
    """

    def __init__(self, config: dict[str, Any], data_dir: Path) -> None:
        self._folder = str(data_dir / "model")
        metadata = config["model_metadata"]
        self._task = metadata["task"]
        self._own_code = bool(metadata.get("own_code"))

    def load(self) -> None:
        import numpy
        import torch
        from transformers import pipeline

        self._numpy = numpy
        device = 0 if torch.cuda.is_available() else -1
        self._pipeline = pipeline(
            self._task, model=self._folder, device=device, trust_remote_code=self._own_code
        )

    def predict(self, model_input: Any) -> dict[str, Any]:
        value: Any = model_input
        options: dict[str, Any] = {}
        if isinstance(value, dict) and "inputs" in value:
            options = value.get("parameters") or {}
            value = value["inputs"]
        if self._task in SOUND:
            found = self._pipeline(self._sound(value), **options)
        elif isinstance(value, dict):
            found = self._pipeline(**value, **options)
        else:
            found = self._pipeline(value, **options)
        return {"predictions": found}

    def _sound(self, value: Any) -> Any:
        if isinstance(value, bytes):
            value = _read_wav(value, self._numpy)
        elif isinstance(value, list):
            value = {"raw": value, "sampling_rate": self._rate()}
        if not isinstance(value, dict) or "raw" not in value:
            raise ValueError('the input must be a WAV file, or {"raw": [...], "sampling_rate": 16000}')
        samples = self._numpy.asarray(value["raw"], dtype="float32")
        given, wanted = int(value.get("sampling_rate") or self._rate()), self._rate()
        if given != wanted:
            moments = self._numpy.arange(0, len(samples) / given, 1 / wanted)
            samples = self._numpy.interp(moments, self._numpy.arange(len(samples)) / given, samples)
        return {"raw": samples.astype("float32"), "sampling_rate": wanted}

    def _rate(self) -> int:
        return int(getattr(self._pipeline.feature_extractor, "sampling_rate", 16_000))


def _read_wav(content: bytes, numpy: Any) -> dict[str, Any]:
    """Samples of a WAV file of 16 bits, its channels mixed."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            if file.getsampwidth() != 2:
                raise ValueError("the WAV file must hold samples of 16 bits")
            samples = numpy.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
            mixed = samples.reshape(-1, file.getnchannels()).mean(axis=1)
            return {"raw": mixed, "sampling_rate": file.getframerate()}
    except (wave.Error, EOFError) as error:
        raise ValueError(f"the input is no WAV file: {error}") from error
