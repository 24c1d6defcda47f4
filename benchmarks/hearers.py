"""`python benchmarks/hearers.py NAME WEIGHTS`: hears files with one way of using Whisper, as it is told.

Reads a JSON list of files in each line, and answers with the seconds it took and the text of each file.
The number of threads is the same for all, and all time words.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel, decode_audio

from stentor_stt.decoder.cutting import Cutter
from stentor_stt.decoder.voice import SpeechJudge
from stentor_stt.engines import EngineSettings, Piece
from stentor_stt.engines.whisper import WhisperEngine
from stentor_stt.options import Options
from stentor_stt.settings import SttSettings
from stentor_stt.sound import SAMPLE_RATE, Sound

THREADS = 2
BATCH = SttSettings.model_fields["batch"].default
PIECE_SECONDS = SttSettings.model_fields["piece_seconds"].default
LIBRARY_BATCH = 8
"""Of what the library's documents show, 8 and 16, the quicker one on two cores."""

Hear = Callable[[list[str]], list[str]]


def stentor(weights: str) -> Hear:
    """Pieces cut in pauses, of all files in one line; as many at once as a worker takes by default."""
    engine = WhisperEngine(EngineSettings(weights, Path(weights), device="cpu", threads=THREADS))
    engine.load()
    options = Options(language="en")

    def hear(files: list[str]) -> list[str]:
        pieces = [(at, cut) for at, file in enumerate(files) for cut in _cut(decode_audio(file))]
        texts: list[list[str]] = [[] for _ in files]
        for first in range(0, len(pieces), BATCH):
            some = pieces[first : first + BATCH]
            for (at, _), heard in zip(
                some, engine.hear([Piece(cut, options) for _, cut in some]), strict=True
            ):
                texts[at] += [segment.text for segment in heard.segments]
        return [" ".join(each) for each in texts]

    return hear


def sequential(model: WhisperModel) -> Hear:
    return lambda files: [
        _text(model.transcribe(file, **_USUAL, condition_on_previous_text=False)) for file in files
    ]


def batched(model: WhisperModel) -> Hear:
    """The library's own batches, which are of one file."""
    pipeline = BatchedInferencePipeline(model)
    return lambda files: [
        _text(pipeline.transcribe(file, **_USUAL, batch_size=LIBRARY_BATCH)) for file in files
    ]


_USUAL: dict[str, Any] = {"language": "en", "beam_size": 5, "word_timestamps": True, "vad_filter": True}

HEARERS: dict[str, Callable[[str], Hear]] = {
    "stentor": stentor,
    "sequential": lambda weights: sequential(_documented(weights)),
    "batched": lambda weights: batched(_documented(weights)),
    "sequential_tuned": lambda weights: sequential(_tuned(weights)),
    "batched_tuned": lambda weights: batched(_tuned(weights)),
}

TUNED = frozenset({"stentor", "sequential_tuned", "batched_tuned"})
"""Those whose threads sleep when they wait, as in a model's process here (decision 18)."""


def _cut(sound: Sound) -> Iterator[Sound]:
    cutter = Cutter(SpeechJudge(), longest=round(PIECE_SECONDS * SAMPLE_RATE))
    yield from (piece.sound for piece in cutter.take(np.asarray(sound)))
    yield from (piece.sound for piece in cutter.rest())


def _documented(weights: str) -> WhisperModel:
    """As the library's documents show it."""
    return WhisperModel(weights, "cpu", compute_type="int8", cpu_threads=THREADS)


def _tuned(weights: str) -> WhisperModel:
    # In a thread that ends, as the engine does it (decision 17): on few cores that is worth half of the time.
    with ThreadPoolExecutor(1) as loader:
        return loader.submit(_documented, weights).result()


def _text(answer: tuple[Any, Any]) -> str:
    return " ".join(segment.text.strip() for segment in answer[0])


def main() -> None:
    hear = HEARERS[sys.argv[1]](sys.argv[2])
    print("ready", flush=True)
    for line in sys.stdin:
        files = json.loads(line)
        started = time.perf_counter()
        texts = hear(files)
        print(json.dumps({"seconds": time.perf_counter() - started, "texts": texts}), flush=True)


if __name__ == "__main__":
    main()
