"""Whisper by CTranslate2: the real engine, on CPU or CUDA."""

import gc
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import ctranslate2
import faster_whisper
from faster_whisper.utils import download_model

from stentor_common.shelf import ModelNotFound, hub_cache_folder
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.whisper_hearing import hear
from stentor_stt.engines.whisper_model import WhisperModel
from stentor_stt.errors import TaskNotOffered, UnknownLanguage
from stentor_stt.models import WHISPER, canonical, whisper_shelf
from stentor_stt.options import Options, Task


class WhisperEngine:
    """A Whisper model in CTranslate2 format."""

    name = "faster-whisper"

    def __init__(self, settings: EngineSettings) -> None:
        self.model = canonical(settings.model)
        self._settings = settings
        self._whisper: WhisperModel | None = None
        self._lock = threading.Lock()

    def load(self) -> None:
        with self._lock:
            if self._whisper is None:
                # In a thread that ends. Its team of OpenMP threads ends with it; the team of a thread that
                # lives on would count as busy, and where there are then more threads than cores, the
                # model's own threads sleep at each barrier instead of spinning: half the speed on two cores.
                with ThreadPoolExecutor(1) as loader:
                    library = loader.submit(_opened, self._settings).result()
                self._whisper = WhisperModel(library, beam_size=self._settings.beam_size)

    def unload(self) -> None:
        with self._lock:
            self._whisper = None
        # The weights are freed with the last reference, and the library leaves cycles behind.
        gc.collect()

    def languages(self) -> frozenset[str]:
        return self._loaded().languages

    def check(self, options: Options) -> None:
        model = self._loaded()
        if options.language is not None and options.language not in model.languages:
            raise UnknownLanguage(options.language, model=self.model, known=model.languages)
        if options.task is Task.TRANSLATE and not model.multilingual:
            raise TaskNotOffered(
                f"model {self.model} knows English only and cannot translate; use whisper-base or larger",
                param="model",
            )

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        model = self._loaded()
        for piece in pieces:
            self.check(piece.options)
        return hear(model, pieces)

    def _loaded(self) -> WhisperModel:
        whisper = self._whisper
        if whisper is None:
            raise RuntimeError("load() comes before using the engine")
        return whisper


def _opened(settings: EngineSettings) -> Any:
    shelf = whisper_shelf(settings.data_dir, hub_cache_folder(os.environ))
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
            f"or {WHISPER.folder_advice(hub_name)}"
        ) from error
