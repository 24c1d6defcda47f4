"""The engine alone: many short recordings, a long one, and one in which sentences are said again, by
Stentor's batches, by faster-whisper one half minute after the other, and by faster-whisper's own batches,
both as its documents show them and as tuned as the engine here; turn by turn, with the share of wrong words.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from faster_whisper import decode_audio
from hearers import HEARERS, TUNED
from servers import ROOT
from whisper_normalizer.english import EnglishTextNormalizer

from stentor_common.hosting.process import SPINS
from stentor_dev.debian import NoPackages
from stentor_dev.prompts import prompts
from stentor_stt.models import whisper_shelf
from stentor_stt.sound import SAMPLE_RATE, Sound

MODEL = "whisper-base"
ROUNDS = 2
CLIPS = 16
CLIP_SECONDS = (5, 20)
LONG_PROMPTS = 200
LONGEST_PROMPT_SECONDS = 28
PAUSE_SECONDS = 0.5
SAID_AGAIN = 4
"""Times that sentences of 2.5 to 5 seconds are said, with pauses of 0.4 seconds."""

Spoken = list[tuple[Sound, str]]


def hearing() -> dict[str, Any]:
    try:
        spoken = [(decode_audio(str(path)), text) for path, text in _prompts().items()]
    except NoPackages as reason:
        return {"not_measured": str(reason)}
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        weights = str(whisper_shelf(folder).locate(MODEL))
        hearers = {each: stack.enter_context(_started(each, weights)) for each in HEARERS}
        return {
            "clips": _compare(hearers, _files(folder / "clip", _clips(spoken))),
            "long": _compare(
                hearers, _files(folder / "long", [_joined(spoken[:LONG_PROMPTS], PAUSE_SECONDS)])
            ),
            "said_again": _compare(hearers, _files(folder / "again", _again(spoken)), rounds=1),
        }


def _prompts() -> dict[Path, str]:
    return prompts(ROOT / ".cache", words=4, count=1000)


def _seconds(sound: Sound) -> float:
    return len(sound) / SAMPLE_RATE


def _clips(spoken: Spoken) -> Spoken:
    shortest, longest = CLIP_SECONDS
    return [each for each in spoken if shortest <= _seconds(each[0]) <= longest][:CLIPS]


def _again(spoken: Spoken) -> Spoken:
    short = [each for each in spoken if 2.5 < _seconds(each[0]) < 5][:60:5]
    return [_joined([each] * SAID_AGAIN, 0.4) for each in short]


def _joined(spoken: Spoken, pause_seconds: float) -> tuple[Sound, str]:
    pause = np.zeros(round(pause_seconds * SAMPLE_RATE), np.float32)
    short = [each for each in spoken if _seconds(each[0]) <= LONGEST_PROMPT_SECONDS]
    sounds = [part for sound, _ in short for part in (sound, pause)]
    return np.concatenate(sounds), " ".join(text for _, text in short)


def _files(stem: Path, spoken: Spoken) -> dict[str, str]:
    """Texts by the recording they are said in."""
    found: dict[str, str] = {}
    for number, (sound, text) in enumerate(spoken):
        path = f"{stem}{number}.wav"
        with wave.open(path, "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes((sound * 32_767).astype("<i2").tobytes())
        found[path] = text
    return found


def _compare(
    hearers: dict[str, subprocess.Popen[str]], files: dict[str, str], *, rounds: int = ROUNDS
) -> dict[str, Any]:
    audio = sum(_seconds(decode_audio(path)) for path in files)
    took: dict[str, list[float]] = {name: [] for name in hearers}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, hearer in hearers.items():
            answer = _ask(hearer, list(files))
            took[name].append(answer["seconds"])
            texts[name] = answer["texts"]
    return {
        "recordings": len(files),
        "audio_seconds": round(audio, 1),
        "real_time_factor": {name: round(statistics.median(each) / audio, 4) for name, each in took.items()},
        "stentor_times_as_fast_as": {
            name: _ratios(took[name], took["stentor"]) for name in took if name != "stentor"
        },
        "words": {name: _words(list(files.values()), each) for name, each in texts.items()},
    }


def _ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, Any]:
    each = [round(a / b, 2) for a, b in zip(slow, fast, strict=True)]
    return {"median": statistics.median(each), "each": each}


def _words(said: Sequence[str], heard: Sequence[str]) -> dict[str, Any]:
    plain = EnglishTextNormalizer()
    found = jiwer.process_words([plain(text) for text in said], [plain(text) for text in heard])
    return {
        "said": found.hits + found.substitutions + found.deletions,
        "wrong_percent": round(100 * found.wer, 2),
        "others": found.substitutions,
        "lost": found.deletions,
        "more": found.insertions,
    }


@contextmanager
def _started(name: str, weights: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, str(Path(__file__).with_name("hearers.py")), name, weights]
    environment = SPINS | os.environ if name in TUNED else dict(os.environ)
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as hearer:
        assert hearer.stdout is not None
        hearer.stdout.readline()
        try:
            yield hearer
        finally:
            hearer.terminate()


def _ask(hearer: subprocess.Popen[str], files: list[str]) -> dict[str, Any]:
    assert hearer.stdin is not None
    assert hearer.stdout is not None
    hearer.stdin.write(json.dumps(files) + "\n")
    hearer.stdin.flush()
    answer: dict[str, Any] = json.loads(hearer.stdout.readline())
    return answer
