"""Whisper through faster-whisper (CTranslate2): the real engine, on CPU or CUDA."""

import gc
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
import numpy as np
from faster_whisper.transcribe import restore_speech_timestamps
from faster_whisper.utils import download_model
from faster_whisper.vad import VadOptions, collect_chunks, get_speech_timestamps

from stentor_stt.audio import SAMPLE_RATE, Sound
from stentor_stt.engines import EngineSettings, Hearing
from stentor_stt.errors import ModelNotFound, TaskNotOffered, UnknownLanguage
from stentor_stt.models import ModelShelf, canonical, folder_advice, hub_cache_folder
from stentor_stt.options import Options, Task
from stentor_stt.transcript import Segment, Word

MODEL_NICENESS = 5

TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Tried in turn while a result repeats itself or is improbable."""

FOR_CUTS = VadOptions(min_silence_duration_ms=200, speech_pad_ms=30)
"""Finds short pauses with exact edges, where the model's own filter wants long ones with soft edges."""


class WhisperEngine:
    """A Whisper model in CTranslate2 format."""

    name = "faster-whisper"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = canonical(settings.model)
        self._settings = settings
        self._whisper: Any = None
        self._lock = threading.Lock()

    def load(self) -> None:
        with self._lock:
            if self._whisper is None:
                # In a thread that ends. Its team of OpenMP threads ends with it; the team of a thread that
                # lives on would count as busy, and where there are then more threads than cores, the
                # model's own threads sleep at each barrier instead of spinning: half the speed on two cores.
                # And the model's threads inherit its priority.
                with ThreadPoolExecutor(1, initializer=_step_back) as loader:
                    self._whisper = loader.submit(_opened, self._settings).result()

    def unload(self) -> None:
        with self._lock:
            self._whisper = None
        # The weights are freed with the last reference, and the library leaves cycles behind.
        gc.collect()

    def languages(self) -> frozenset[str]:
        return frozenset(self._loaded().supported_languages)

    def speech(self, sound: Sound) -> list[tuple[int, int]]:
        return [(span["start"], span["end"]) for span in get_speech_timestamps(sound, FOR_CUTS)]

    def transcribe(self, sound: Sound, options: Options) -> Hearing:
        """Speech only, long pauses taken out and put back into the times afterwards.

        Each half minute is decoded without the text before it. With that text the library's default
        was no more accurate (12 minutes of telephone prompts, word errors with and without: base 4.0
        and 5.1 %, tiny.en 4.7 and 3.8 %) and lost sentences that are said again (of 284 words in
        sentences read four times, base kept 272 with and 280 without). Half minutes that do not
        depend on each other can also share a batch without a change in the text.
        """
        whisper = self._loaded()
        self._check(whisper, options)
        spans = get_speech_timestamps(sound, VadOptions()) if options.voice_activity else None
        if spans == [] or not len(sound):
            return Hearing(None, None, iter(()))
        spoken = sound if spans is None else np.concatenate(collect_chunks(sound, spans)[0])
        segments, info = whisper.transcribe(spoken, **self._arguments(options))
        if spans is not None:
            segments = restore_speech_timestamps(segments, spans, SAMPLE_RATE)
        return Hearing(info.language, float(info.language_probability), _segments(segments))

    def _loaded(self) -> Any:
        whisper = self._whisper
        if whisper is None:
            raise RuntimeError("load() comes before using the engine")
        return whisper

    def _check(self, whisper: Any, options: Options) -> None:
        known = whisper.supported_languages
        if options.language is not None and options.language not in known:
            raise UnknownLanguage(options.language, model=self.model, known=known)
        if options.task is Task.TRANSLATE and not whisper.model.is_multilingual:
            raise TaskNotOffered(
                f"model {self.model} knows English only and cannot translate; use whisper-base or larger",
                param="model",
            )

    def _arguments(self, options: Options) -> dict[str, Any]:
        return {
            "language": options.language,
            "task": options.task.value,
            "beam_size": self._settings.beam_size,
            "word_timestamps": options.word_times,
            "initial_prompt": options.prompt,
            "hotwords": ", ".join(word.text for word in options.hotwords if word.boost > 0) or None,
            "temperature": TEMPERATURES if options.temperature is None else options.temperature,
            "condition_on_previous_text": False,
        }


def _opened(settings: EngineSettings) -> Any:
    shelf = ModelShelf(settings.data_dir, hub_cache=hub_cache_folder(os.environ))
    folder = shelf.locate(settings.model, download=None if settings.offline else _download)
    device = settings.device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    compute_type = settings.compute_type
    if compute_type == "auto":
        compute_type = "float16" if device == "cuda" else "int8"
    threads = settings.threads or _usable_cores()
    return faster_whisper.WhisperModel(
        str(folder), device=device, compute_type=compute_type, cpu_threads=threads
    )


def _step_back() -> None:
    """Let others go first when all cores are busy: answering a probe takes the model no time, but the
    probe would wait behind the model. Linux keeps a priority for each thread; elsewhere nothing is done."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), MODEL_NICENESS)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _download(hub_name: str) -> Path:
    try:
        return Path(download_model(hub_name))
    except (OSError, ValueError) as error:
        raise ModelNotFound(
            f"model {hub_name} could not be fetched from the model hub; check the name and the network, "
            f"or {folder_advice(hub_name)}"
        ) from error


def _segments(found: Iterable[Any]) -> Iterator[Segment]:
    for segment in found:
        yield Segment(
            start_ms=_milliseconds(segment.start),
            end_ms=_milliseconds(segment.end),
            text=segment.text.strip(),
            words=tuple(_word(word) for word in segment.words or ()),
            avg_logprob=float(segment.avg_logprob),
            no_speech_probability=float(segment.no_speech_prob),
            compression_ratio=float(segment.compression_ratio),
            temperature=float(segment.temperature),
        )


def _word(word: Any) -> Word:
    return Word(
        word.word.strip(),
        _milliseconds(word.start),
        _milliseconds(word.end),
        round(float(word.probability), 4),
    )


def _milliseconds(seconds: float) -> int:
    return round(float(seconds) * 1000)
