"""Samples through FFmpeg's filters (PyAV): other rates, other pitches, loudness, limits.

Samples are one channel of float32 from -1 to 1.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.filter import Graph
from numpy.typing import NDArray

Samples = NDArray[np.float32]

QUIETEST_LUFS = -70.0
"""What is below counts as silence (EBU R 128)."""
_SHORTEST_SECONDS = 1.0
"""Loudness is measured over windows of 400 ms; what is shorter is measured as if it went on."""


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """The same sound at another rate, of exactly the length that this gives."""
    if rate == wanted:
        return samples
    found, _ = _through(samples, rate, ("aresample", str(wanted)))
    return fitted(found, round(len(samples) * wanted / rate))


def shifted(samples: Samples, rate: int, semitones: float) -> Samples:
    """The same speech higher or lower, of the same length: played faster, then stretched (WSOLA)."""
    if not semitones:
        return samples
    factor = 2 ** (semitones / 12)
    played = ("asetrate", str(round(rate * factor))), ("aresample", str(rate))
    found, _ = _through(samples, rate, *played, ("atempo", f"{1 / factor:.6f}"))
    return fitted(found, len(samples))


def paced(samples: Samples, rate: int, speed: float) -> Samples:
    """The speech `speed` times as fast, at the same pitch (WSOLA), of exactly the length that this gives."""
    if speed == 1:
        return samples
    # One filter takes 0.5 to 2 without leaving sound out.
    steps = max(1, math.ceil(abs(math.log2(speed))))
    found, _ = _through(samples, rate, *[("atempo", f"{speed ** (1 / steps):.6f}")] * steps)
    return fitted(found, round(len(samples) / speed))


def limited(samples: Samples, rate: int, ceiling: float) -> Samples:
    """The same with no peak above the ceiling, those between the samples included."""
    # A little lower than the ceiling, for the peaks that lie between samples.
    limit = f"limit={max(0.0625, ceiling * 0.94):.4f}:level=0:attack=5:release=50:latency=1"
    found = fitted(_through(samples, rate, ("alimiter", limit))[0], len(samples))
    over = loudness(found, rate).true_peak / ceiling
    return found / np.float32(over) if over > 1 else found


@dataclass(frozen=True, slots=True)
class Loudness:
    lufs: float
    """Integrated over the sound, with the gates of ITU-R BS.1770; QUIETEST_LUFS for silence."""
    true_peak: float
    """Of the sound as it is played, 1 is full scale."""


def loudness(samples: Samples, rate: int) -> Loudness:
    """How loud the sound is, by ITU-R BS.1770 as EBU R 128 uses it."""
    if not len(samples):
        return Loudness(QUIETEST_LUFS, 0.0)
    times = int(np.ceil(_SHORTEST_SECONDS * rate / len(samples)))
    _, said = _through(np.tile(samples, times), rate, ("ebur128", "metadata=1:peak=true"))
    lufs = float(said.get("lavfi.r128.I", QUIETEST_LUFS))
    # Of a sound with no length worth measuring the filter says nothing but its peaks.
    return Loudness(max(lufs, QUIETEST_LUFS), float(said.get("lavfi.r128.true_peak", np.abs(samples).max())))


def fitted(samples: Samples, length: int) -> Samples:
    """Cut, or filled up with silence, to the length."""
    if len(samples) >= length:
        return samples[:length]
    return np.concatenate([samples, np.zeros(length - len(samples), np.float32)])


def _through(samples: Samples, rate: int, *filters: tuple[str, str]) -> tuple[Samples, dict[str, str]]:
    """The sound after the filters, and the last that they said about it."""
    if not len(samples):
        return samples, {}
    graph = Graph()
    source = graph.add_abuffer(sample_rate=rate, format="flt", layout="mono", time_base=Fraction(1, rate))
    nodes = [graph.add(name, arguments) for name, arguments in filters]
    form = graph.add("aformat", "sample_fmts=flt:channel_layouts=mono")
    graph.link_nodes(source, *nodes, form, graph.add("abuffersink")).configure()
    frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    graph.push(frame)
    graph.push(None)
    found: list[Samples] = []
    said: dict[str, str] = {}
    while True:
        try:
            pulled = graph.pull()
        except (av.EOFError, av.BlockingIOError):
            break
        said = pulled.metadata or said
        found.append(pulled.to_ndarray().reshape(-1).astype(np.float32, copy=False))
    return (np.concatenate(found) if found else np.zeros(0, np.float32)), said
