"""Samples as a file or a stream of some format, written while they are made (PyAV, which is FFmpeg)."""

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from stentor_tts.formats import Format

_STREAMED = {"write_xing": "0", "id3v2_version": "0", "page_duration": "200000", "flush_packets": "1"}
"""What is only known at the end stays away from the beginning, and every packet goes out at once."""


class _Sink:
    """Takes what a muxer writes, in order; it cannot go back."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        return len(data)

    def taken(self) -> bytes:
        data = bytes(self._held)
        self._held.clear()
        return data


class _Writer:
    """One stream of one format into anything that a muxer writes to."""

    def __init__(self, target: _Sink | str, form: Format, sample_rate: int, bit_rate: int | None) -> None:
        options = {"fflags": "+bitexact"} | (_STREAMED if isinstance(target, _Sink) else {})
        self._container = av.open(target, "w", format=form.container, container_options=options)
        stream = self._container.add_stream(
            form.codec, rate=sample_rate, options={"strict": "experimental", "flags": "+bitexact"}
        )
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._layout = "stereo" if form.channels == 2 else "mono"
        self._stream.layout = self._layout
        if form.bit_rate:
            self._stream.bit_rate = bit_rate or form.bit_rate
        self._channels = form.channels
        self._sample_rate = sample_rate
        self._written = 0

    def add(self, samples: NDArray[np.float32]) -> None:
        if not len(samples):
            return
        planes = np.broadcast_to(np.asarray(samples, np.float32), (self._channels, len(samples)))
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(planes), format="fltp", layout=self._layout)
        frame.sample_rate, frame.time_base = self._sample_rate, Fraction(1, self._sample_rate)
        frame.pts = self._written
        self._written += len(samples)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        if not self._written:
            # A file of no length is one that many players refuse.
            self.add(np.zeros(self._sample_rate // 100, np.float32))
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        self._container.close()


class Encoder:
    """A stream of `form`, of which every call gives the next bytes.

    Its header has no length, for none is known yet. Samples are one channel from -1 to 1 at `sample_rate`,
    which is one of the format's.
    """

    def __init__(self, form: Format, sample_rate: int, *, bit_rate: int | None = None) -> None:
        self._sink = _Sink()
        self._writer = _Writer(self._sink, form, sample_rate, bit_rate)

    def add(self, samples: NDArray[np.float32]) -> bytes:
        self._writer.add(samples)
        return self._sink.taken()

    def finish(self) -> bytes:
        """The rest. Nothing may be added after it."""
        self._writer.finish()
        return self._sink.taken()

    def close(self) -> None:
        """Give up what is unfinished; does nothing after `finish`."""
        self._writer.close()


class FileEncoder:
    """The same into a file, whose header says at the end how long it is."""

    def __init__(self, path: Path, form: Format, sample_rate: int, *, bit_rate: int | None = None) -> None:
        self._writer = _Writer(str(path), form, sample_rate, bit_rate)

    def add(self, samples: NDArray[np.float32]) -> None:
        self._writer.add(samples)

    def finish(self) -> None:
        self._writer.finish()

    def close(self) -> None:
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        else:
            self.close()
