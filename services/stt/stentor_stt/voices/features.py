"""The features the voice encoder was trained on: power in 40 mel bands, every 10 ms over 25 ms.

Equal to librosa's `melspectrogram` with its defaults (Slaney's mel scale and area normalisation,
periodic Hann window, frames centred on their time, silence around the sound); not in decibels.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from stentor_stt.sound import SAMPLE_RATE, Sound

BANDS = 40
HOP = SAMPLE_RATE // 100
WINDOW = SAMPLE_RATE // 40

FRAMES = 160
"""Frames that the encoder sees at once, as it was trained: 1.6 seconds."""

LINEAR_UNTIL_HZ = 1000.0
HZ_PER_MEL = 200 / 3
MELS_PER_E = 27 / np.log(6.4)
"""Slaney's scale (Auditory Toolbox, 1998): 3 mels in 200 Hz, above 1 kHz 27 for each factor of 6.4."""


def mel_power(sound: Sound) -> npt.NDArray[np.float32]:
    """(frames, BANDS); frame `i` is centred on sample `i * HOP`, one more than whole hops fit."""
    padded = np.pad(sound, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return power @ _filters()


@cache
def _hann() -> npt.NDArray[np.float32]:
    return np.hanning(WINDOW + 1)[:-1].astype(np.float32)


@cache
def _filters() -> npt.NDArray[np.float32]:
    """(frequencies, BANDS): triangles, each between its neighbours' tops, of equal area."""
    highest = _mels(SAMPLE_RATE / 2)
    corners = _hertz(np.linspace(0, highest, BANDS + 2))
    frequencies = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE)[:, None]
    low, top, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies - low) / (top - low)
    falling = (high - frequencies) / (high - top)
    triangles = np.clip(np.minimum(rising, falling), 0, None)
    return (triangles * 2 / (high - low)).astype(np.float32)


def _mels(hertz: float) -> float:
    if hertz < LINEAR_UNTIL_HZ:
        return hertz / HZ_PER_MEL
    return float(LINEAR_UNTIL_HZ / HZ_PER_MEL + np.log(hertz / LINEAR_UNTIL_HZ) * MELS_PER_E)


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    knee = LINEAR_UNTIL_HZ / HZ_PER_MEL
    return np.where(mels < knee, mels * HZ_PER_MEL, LINEAR_UNTIL_HZ * np.exp((mels - knee) / MELS_PER_E))
