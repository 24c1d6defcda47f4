"""Sound as it comes over the wire, on its way to 16 kHz float32: any cutting of the bytes into messages
gives the same samples."""

from collections.abc import Iterator
from math import gcd
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from stentor_common.errors import BadInput
from stentor_stt.live.wanted import Encoding, Format
from stentor_stt.sound import SAMPLE_RATE, Sound

Codes: TypeAlias = npt.NDArray[np.int32]

ZERO_CROSSINGS = 24
"""Of the filter, on each side: the more, the steeper."""
KAISER_BETA = 9.0
"""Keeps what would be mirrored at half the rate 90 dB down."""


class Incoming:
    """Turns messages of one format into sound."""

    def __init__(self, format: Format) -> None:
        self._encoding = format.encoding
        self._second_bytes = format.rate * format.encoding.sample_bytes
        self._resampler = Resampler(format.rate) if format.rate != SAMPLE_RATE else None

    def take(self, message: bytes) -> Iterator[Sound]:
        """The sound of a message, at most a second at a time. Raises BadInput for half a sample."""
        if len(message) % self._encoding.sample_bytes:
            raise BadInput("16-bit samples have two bytes each: send an even number of bytes")
        for at in range(0, len(message), self._second_bytes):
            sound = decoded(message[at : at + self._second_bytes], self._encoding)
            yield self._resampler.take(sound) if self._resampler else sound

    def rest(self) -> Sound:
        """What the resampler still holds; it begins anew afterwards."""
        return self._resampler.rest() if self._resampler else np.empty(0, np.float32)


def decoded(message: bytes, encoding: Encoding) -> Sound:
    """The samples of a message, full scale at 1."""
    if encoding is Encoding.pcm16:
        samples = np.frombuffer(message, "<i2")
    else:
        codes = np.frombuffer(message, np.uint8).astype(np.int32)
        samples = (_mulaw if encoding is Encoding.mulaw else _alaw)(codes).astype(np.int16)
    return samples.astype(np.float32) * np.float32(1 / 32768)


def _mulaw(codes: Codes) -> Codes:
    """ITU-T G.711, table 2: sign, three bits of exponent, four of mantissa, all inverted."""
    codes = ~codes & 0xFF
    size = (((codes & 0x0F) << 3) + 0x84 << ((codes & 0x70) >> 4)) - 0x84
    return np.where(codes & 0x80, -size, size)


def _alaw(codes: Codes) -> Codes:
    """ITU-T G.711, table 1: as above, with every second bit inverted and linear near zero."""
    codes = codes ^ 0x55
    exponent, mantissa = (codes & 0x70) >> 4, codes & 0x0F
    size = np.where(exponent, ((mantissa << 4) + 0x108) << np.maximum(exponent - 1, 0), (mantissa << 4) + 8)
    return np.where(codes & 0x80, size, -size)


class Resampler:
    """A rate to 16 kHz by a polyphase filter: a windowed sinc whose phases are the places between samples
    at which results lie. The filter's delay is taken out, so that times stay true.
    """

    def __init__(self, rate: int) -> None:
        common = gcd(rate, SAMPLE_RATE)
        self._up, self._down = SAMPLE_RATE // common, rate // common
        # Frequencies are cut at the lower of both halves, a little below; time stretches accordingly.
        self._stretch = max(1.0, self._down / self._up) / 0.95
        self._half = int(np.ceil(ZERO_CROSSINGS * self._stretch))
        self._phases = np.stack([self._phase(number / self._up) for number in range(self._up)])
        self._held: Sound = np.empty(0, np.float32)
        self._first = self._taken = self._given = 0
        self._begin()

    def take(self, sound: Sound) -> Sound:
        """The results for which there is enough sound now."""
        self._held = np.concatenate((self._held, sound))
        self._taken += len(sound)
        # Result n lies at n * down / up samples, and needs `half` samples after that.
        return self._results(((self._taken - self._half) * self._up - 1) // self._down + 1)

    def rest(self) -> Sound:
        """The results that waited for more sound, with silence in its place."""
        last = -(-self._taken * self._up // self._down)
        self._held = np.concatenate((self._held, np.zeros(self._half + 1, np.float32)))
        found = self._results(last)
        self._begin()
        return found

    def _begin(self) -> None:
        # What is held begins with silence, before the first sample.
        self._held, self._first = np.zeros(self._half, np.float32), -self._half
        self._taken = self._given = 0

    def _phase(self, fraction: float) -> Sound:
        """Weights of the samples around a result that lies `fraction` behind one of them."""
        distance = (np.arange(-self._half + 1, self._half + 1) - fraction) / self._stretch
        window = np.i0(KAISER_BETA * np.sqrt(np.maximum(0, 1 - (distance / ZERO_CROSSINGS) ** 2)))
        weights = np.sinc(distance) * window
        phase: Sound = (weights / weights.sum()).astype(np.float32)
        return phase

    def _results(self, until: int) -> Sound:
        if until <= self._given:
            return np.empty(0, np.float32)
        places = np.arange(self._given, until) * self._down
        before, phases = places // self._up, places % self._up
        starts = before - self._half + 1 - self._first
        windows = np.lib.stride_tricks.sliding_window_view(self._held, 2 * self._half)
        found: Sound = np.einsum("ij,ij->i", windows[starts], self._phases[phases])
        self._given = until
        done = until * self._down // self._up - self._half + 1 - self._first
        self._held, self._first = self._held[done:], self._first + done
        return found
