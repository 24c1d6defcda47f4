"""Speech in windows of the length the voice encoder was trained on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stentor_stt.sound import SAMPLE_RATE, Sound
from stentor_stt.voices.features import FRAMES, HOP, mel_power
from stentor_stt.voices.vectors import Matrix

WINDOW = FRAMES * HOP
STEP = WINDOW // 2
"""Windows of one stretch of speech begin so far apart at most. Half of it told voices apart no better and
takes twice the time."""

SHORTEST = SAMPLE_RATE // 4
"""Speech shorter than this tells nothing about a voice."""

LOUDNESS = 1e-3
"""Mean square (-30 dB) to which each window is brought: the encoder's features are not logarithmic. Its
authors only make quiet sound louder; making loud sound quieter too told voices apart better (equal error
rate of single windows of 16 voices, levels 12 dB apart: 5.7 % against 7.2 %)."""

QUIETEST = 1e-9


Edges: TypeAlias = npt.NDArray[np.int64]
"""(windows, 2): first and one past last sample."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows in the order of their starts."""

    features: list[Matrix]
    """(FRAMES, BANDS) each."""
    edges: Edges
    seconds: npt.NDArray[np.float32]
    """Of speech each stands for: overlapping windows share it."""


def windows(sound: Sound, speech: Iterable[tuple[int, int]]) -> Windows:
    """Of every stretch of speech, given as (first, one past last) sample.

    A stretch shorter than a window is repeated until it fills one: cut off sooner or with silence in
    it, a voice is less like itself.
    """
    features: list[Matrix] = []
    edges: list[tuple[int, int]] = []
    seconds: list[float] = []
    for first, end in speech:
        length = end - first
        if length < SHORTEST:
            continue
        mel = mel_power(sound[first:end])
        starts = _starts(length)
        for start in starts:
            stop = min(start + WINDOW, length)
            heard = sound[first + start : first + stop]
            gain = LOUDNESS / max(float(np.mean(np.square(heard))), QUIETEST)
            frames = mel[start // HOP : start // HOP + FRAMES] * np.float32(gain)
            features.append(np.resize(frames, (FRAMES, frames.shape[1])))
            edges.append((first + start, first + stop))
        seconds += [length / SAMPLE_RATE / len(starts)] * len(starts)
    return Windows(features, np.array(edges, np.int64).reshape(-1, 2), np.array(seconds, np.float32))


def _starts(length: int) -> list[int]:
    """Evenly spaced, the first at the beginning, the last so that it ends with the speech."""
    room = max(length - WINDOW, 0)
    steps = math.ceil(room / STEP)
    return [room * step // steps for step in range(steps + 1)] if steps else [0]
