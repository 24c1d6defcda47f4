"""Recordings of any format as blocks of sound at 16 kHz, from wherever in them one begins."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.stream import Discard

from stentor_stt.decoder.wire import MOST_CHANNELS, AudioInfo, Fault, Refused
from stentor_stt.sound import SAMPLE_RATE, Sound

Channels: TypeAlias = npt.NDArray[np.float32]
"""Sound by channel and sample at SAMPLE_RATE, between -1 and 1."""

BLOCK_SECONDS = 10
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,"
    "tta,w64,wav,wv"
)
"""Containers that hold their sound themselves. Playlists are left out: they name other files to open."""

SEEKABLE = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "ogg", "wav", "flac"})
"""Containers whose time stamps are exact, so that one may begin in the middle."""

SEEK_EARLIER_SECONDS = 1
"""Decoders need some sound before what they are asked for, until they are in step."""

SAMPLE_RATES = range(1_000, 768_001)
"""A rate outside, which only a forged header has, would blow up the resampler's memory."""

UNNAMED = re.compile(r"\d+ channels")
"""A layout that is but a number of channels."""

MOST_FAULTS_IN_A_ROW = 50
"""After so many unreadable packets without a readable one, the rest of the file is taken as lost."""


class Source:
    """An opened recording: its first audio stream."""

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._stream = _audio_stream(container)

    @property
    def info(self) -> AudioInfo:
        context = self._stream.codec_context
        return AudioInfo(
            duration_seconds=_duration_seconds(self._container, self._stream),
            container=self._container.format.name,
            codec=context.name,
            sample_rate=context.sample_rate,
            channels=context.channels,
        )

    def blocks(self, *, split: bool = False, start: int = 0) -> Iterator[tuple[int, Channels]]:
        """The sound in blocks of BLOCK_SECONDS (the last one shorter), each with the sample it begins at.

        `split` keeps the channels apart, else they are mixed to one. The first block may begin anywhere
        between the recording's start and sample `start`. Damaged packets are skipped and a file cut off
        in the middle gives what is there. Raises Refused when nothing can be decoded.
        """
        if split and self._stream.codec_context.channels > MOST_CHANNELS:
            raise Refused(Fault.CHANNELS)
        position, frames = self._from(start)
        for block in _blocks(_resampled(frames, split)):
            yield position, block
            position += block.shape[1]

    def _from(self, start: int) -> tuple[int, Iterator[AudioFrame]]:
        """Frames in order, and the sample at which the first of them begins."""
        early = start - SEEK_EARLIER_SECONDS * SAMPLE_RATE
        if early > 0 and self._container.format.name in SEEKABLE:
            try:
                self._container.seek(int(early / SAMPLE_RATE * av.time_base))
                frames = self._frames()
                first = next(frames, None)
                position = self._position(first)
                if first is not None and position is not None and 0 <= position <= start:
                    return position, _with_first(first, frames)
            except (FFmpegError, Refused):
                pass
            # It cannot begin there after all.
            self._container.seek(0)
        return 0, self._frames()

    def _position(self, frame: AudioFrame | None) -> int | None:
        if frame is None or frame.pts is None or frame.time_base is None:
            return None
        time_base = self._stream.time_base or frame.time_base
        begin = (self._stream.start_time or 0) * time_base
        return round((frame.pts * frame.time_base - begin) * SAMPLE_RATE)

    def _frames(self) -> Iterator[AudioFrame]:
        """Frames past damaged packets. Raises Refused when no packet gave any."""
        faults = 0
        content = decoded = ended = False
        while not ended and faults < MOST_FAULTS_IN_A_ROW:
            try:
                for packet in self._container.demux(self._stream):
                    frames, fault = _decoded(packet)
                    faults = faults + 1 if fault else 0
                    content = content or packet.size > 0
                    decoded = decoded or bool(frames)
                    yield from frames
                ended = True
            except FFmpegError:
                # The container is damaged here; reading on finds the next good place, if there is one.
                faults += 1
        if content and not decoded:
            raise Refused(Fault.DAMAGED)


def prepare() -> None:
    """Load what the library would only load when it needs it: a confined process can open no file."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@contextmanager
def opened(file: BinaryIO) -> Iterator[Source]:
    """A recording, whatever its format. Raises Refused."""
    # No protocol is allowed: a recording is this one file, whatever other names are in it.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    try:
        container = av.open(file, mode="r", options=options, metadata_errors="ignore")
    except (FFmpegError, ValueError) as error:
        raise Refused(Fault.UNREADABLE) from error
    with container:
        yield Source(container)


def decode(path: Path) -> Iterator[Sound]:
    """A recording of our own in blocks of one channel. What comes from others is decoded by
    `stentor_stt.audio.Decoder`, elsewhere than here."""
    with path.open("rb") as file, opened(file) as source:
        for _, block in source.blocks():
            yield block[0]


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise Refused(Fault.NO_SOUND)
    stream = container.streams.audio[0]
    # A stream whose codec is unknown to this build has no context.
    if stream.codec_context is None or stream.codec_context.sample_rate not in SAMPLE_RATES:
        raise Refused(Fault.UNREADABLE)
    for other in container.streams:
        if other.index != stream.index:
            # Pictures need not even be read.
            other.discard = Discard.all
    # A process that decodes may not begin threads.
    stream.codec_context.thread_count = 1
    return stream


def _duration_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _with_first(first: AudioFrame, others: Iterator[AudioFrame]) -> Iterator[AudioFrame]:
    yield first
    yield from others


def _decoded(packet: "av.Packet[AudioStream]") -> tuple[list[AudioFrame], bool]:
    """The packet's frames, and whether it was damaged."""
    try:
        return packet.decode(), False
    except FFmpegError:
        return [], True


def _resampled(frames: Iterator[AudioFrame], split: bool) -> Iterator[Channels]:
    """The frames at 16 kHz, about a second at a time."""
    form: tuple[str, str, int] | None = None
    stretch: _Stretch | None = None
    layout = None if split else "mono"
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if stretch is None or found != form:
            # Some streams change rate or channels midway; each stretch has its own resampler.
            if stretch is not None:
                yield from stretch.rest()
            # Channels that are kept apart are all those that there are at the beginning.
            layout = layout or frame.layout.name
            form, stretch = found, _Stretch(frame, layout)
        yield from stretch.take(frame)
    if stretch is not None:
        yield from stretch.rest()


class _Stretch:
    """Frames of one format on their way through a resampler.

    Passing a second at a time is faster than frame by frame, and bounds what a frame of a very low
    rate can grow to.
    """

    def __init__(self, like: AudioFrame, layout: str) -> None:
        if like.sample_rate not in SAMPLE_RATES:
            raise Refused(Fault.UNREADABLE)
        self._rate = like.sample_rate
        self._waiting = AudioFifo()
        # Where nothing says what the channels are, the library cannot tell how to mix them.
        self._mix = layout == "mono" and UNNAMED.fullmatch(like.layout.name) is not None
        if self._mix:
            layout = like.layout.name
        # The library's own resampler would begin threads.
        self._graph = Graph()
        self._graph.threads = 1
        steps = [
            self._graph.add(
                "abuffer",
                sample_rate=str(like.sample_rate),
                sample_fmt=like.format.name,
                channel_layout=like.layout.name,
                time_base=f"1/{like.sample_rate}",
            ),
            # So that channels which are the same are not louder mixed than each by itself.
            self._graph.add("aresample", rematrix_maxval="1"),
            self._graph.add(
                "aformat", sample_rates=str(SAMPLE_RATE), sample_fmts="flt", channel_layouts=layout
            ),
            self._graph.add("abuffersink"),
        ]
        self._graph.link_nodes(*steps).configure()

    def take(self, frame: AudioFrame) -> Iterator[Channels]:
        # Damaged files have gaps in their time stamps, at which the queue would refuse the frame.
        frame.pts = None
        self._waiting.write(frame)
        while self._waiting.samples >= self._rate:
            yield from self._through(self._waiting.read(self._rate))

    def rest(self) -> Iterator[Channels]:
        if self._waiting.samples:
            yield from self._through(self._waiting.read())
        yield from self._through(None)

    def _through(self, frame: AudioFrame | None) -> Iterator[Channels]:
        self._graph.push(frame)
        while True:
            try:
                result = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            assert isinstance(result, AudioFrame)
            # Floating-point files may hold anything; a single NaN would silence the model.
            samples = np.clip(np.nan_to_num(result.to_ndarray()), -1.0, 1.0)
            # Interleaved: the library crashes on more than seven planes.
            sound = samples.reshape(result.samples, -1).T
            yield sound.mean(axis=0, keepdims=True) if self._mix else sound


def _blocks(pieces: Iterator[Channels]) -> Iterator[Channels]:
    size = BLOCK_SECONDS * SAMPLE_RATE
    held: list[Channels] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += piece.shape[1]
        if count >= size:
            whole = np.concatenate(held, axis=1)
            yield whole[:, :size]
            held = [whole[:, size:]]
            count -= size
    if count:
        yield np.concatenate(held, axis=1)
