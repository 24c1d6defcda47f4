"""Recordings of any format as blocks of 16 kHz mono sound, and those blocks as windows cut at pauses."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.fifo import AudioFifo
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from stentor_stt.errors import AudioEmpty, AudioTooLong, AudioUnreadable

Sound: TypeAlias = npt.NDArray[np.float32]
"""One channel at SAMPLE_RATE, nominally between -1 and 1."""

FindSpeech: TypeAlias = Callable[[Sound], list[tuple[int, int]]]
"""Where somebody speaks: (first, one past last) sample, in order, not overlapping."""

SAMPLE_RATE = 16_000
BLOCK_SECONDS = 30
FORMATS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,eac3,flac,flv,loas,matroska,mov,mp3,mpeg,mpegts,ogg,"
    "tta,w64,wav,wv"
)
"""Containers that hold their sound themselves. Playlists are left out: they name other files to open."""

SAMPLE_RATES = range(1_000, 768_001)
"""A rate outside, which only a forged header has, would blow up the resampler's memory."""

MOST_FAULTS_IN_A_ROW = 50
"""After so many unreadable packets without a readable one, the rest of the file is taken as lost."""

TAIL_SECONDS = 30
"""How far before the end of a full window a pause is looked for."""

GOOD_PAUSE_SECONDS = 0.5
"""A pause this long is as good as a longer one, so the last of them is taken."""

FRAME_SECONDS = 0.02

UNREADABLE = "the file holds no sound that can be read: send wav, mp3, m4a, ogg, flac, webm or mp4"
NO_SOUND = "the file holds no audio stream: send a recording, or a video with a sound track"
NOTHING_DECODED = "the file looks like a recording, but no sound in it could be read: it may be damaged"
NOTHING_IN_IT = "the file is empty: send a recording"


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the header says; `duration_seconds` is None where the format does not tell."""

    duration_seconds: float | None
    container: str
    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the recording that is given to the model at once."""

    start_ms: int
    sound: Sound


def probe(path: Path) -> AudioInfo:
    """Format and length from the header alone. Raises AudioUnreadable, AudioEmpty."""
    with _opened(path) as container:
        stream = _audio_stream(container)
        return AudioInfo(
            duration_seconds=_duration_seconds(container, stream),
            container=container.format.name,
            codec=stream.codec_context.name,
            sample_rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
        )


def decode(path: Path, *, max_seconds: float | None = None) -> Generator[Sound, None, None]:
    """The first audio stream in blocks of BLOCK_SECONDS (the last one shorter), read as they are asked for.

    Damaged packets are skipped and a file cut off in the middle gives what is there. Raises
    AudioUnreadable when nothing can be decoded, AudioEmpty when there is nothing in it, AudioTooLong
    once more than `max_seconds` came out: what a header claims is not believed.
    """
    limit = None if max_seconds is None else int(max_seconds * SAMPLE_RATE)
    total = 0
    with _opened(path) as container:
        for block in _blocks(_resampled(_frames(container, _audio_stream(container)))):
            total += len(block)
            if max_seconds is not None and limit is not None and total > limit:
                raise AudioTooLong(max_seconds)
            yield block
    if total == 0:
        raise AudioEmpty(NOTHING_IN_IT)


def windows(
    blocks: Iterator[Sound], find_speech: FindSpeech, *, max_seconds: float = 300
) -> Iterator[Window]:
    """The same samples in windows of at most `max_seconds`, cut in pauses of speech.

    Every sample is in exactly one window. Holds one window and one block at a time.
    """
    size = int(max_seconds * SAMPLE_RATE)
    held: Sound = np.zeros(0, np.float32)
    start = 0
    for block in blocks:
        held = np.concatenate((held, block))
        while len(held) > size:
            at = cutting_point(held[:size], find_speech)
            yield Window(_milliseconds(start), held[:at])
            start += at
            held = held[at:]
    if len(held):
        yield Window(_milliseconds(start), held)


def cutting_point(sound: Sound, find_speech: FindSpeech) -> int:
    """Where to end a full window: the middle of the last good pause in its tail.

    Without a pause the quietest moment of the tail has to do. At least one sample, at most all.
    """
    tail_size = min(TAIL_SECONDS * SAMPLE_RATE, (len(sound) + 1) // 2)
    first = len(sound) - tail_size
    tail = sound[first:]
    pauses = _pauses(find_speech(tail), tail_size)
    if not pauses:
        return first + _quietest(tail)
    good = int(GOOD_PAUSE_SECONDS * SAMPLE_RATE)
    begin, end = max(pauses, key=lambda pause: (min(pause[1] - pause[0], good), pause[0]))
    return max(first + (begin + end) // 2, 1)


def _pauses(speech: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    begins = [0, *(end for _, end in speech)]
    ends = [*(begin for begin, _ in speech), length]
    return [(begin, end) for begin, end in zip(begins, ends, strict=True) if end > begin]


def _quietest(tail: Sound) -> int:
    size = min(int(FRAME_SECONDS * SAMPLE_RATE), len(tail))
    frames = tail[: len(tail) // size * size].reshape(-1, size)
    # Of equally quiet frames the last one, so that the window is as full as can be.
    energy = np.square(frames).sum(axis=1)[::-1]
    return (len(energy) - 1 - int(energy.argmin())) * size + (size + 1) // 2


def _opened(path: Path) -> InputContainer:
    if path.stat().st_size == 0:
        raise AudioEmpty(NOTHING_IN_IT)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        # The scheme keeps a name like "concat:…" from being taken for another protocol.
        return av.open(f"file:{path.absolute()}", options=options, metadata_errors="ignore")
    except (FFmpegError, ValueError) as error:
        raise AudioUnreadable(UNREADABLE) from error


def _audio_stream(container: InputContainer) -> AudioStream:
    if not container.streams.audio:
        raise AudioUnreadable(NO_SOUND)
    stream = container.streams.audio[0]
    # A stream whose codec is unknown to this build has no context.
    if stream.codec_context is None or stream.codec_context.sample_rate not in SAMPLE_RATES:
        raise AudioUnreadable(UNREADABLE)
    return stream


def _duration_seconds(container: InputContainer, stream: AudioStream) -> float | None:
    if stream.duration and stream.time_base and stream.duration > 0:
        return float(stream.duration * stream.time_base)
    if container.duration and container.duration > 0:
        return container.duration / av.time_base
    return None


def _frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Frames in order, past damaged packets. Raises AudioUnreadable when no packet gave any."""
    faults = 0
    content = decoded = ended = False
    while not ended and faults < MOST_FAULTS_IN_A_ROW:
        try:
            for packet in container.demux(stream):
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
        raise AudioUnreadable(NOTHING_DECODED)


def _decoded(packet: "av.Packet[AudioStream]") -> tuple[list[AudioFrame], bool]:
    """The packet's frames, and whether it was damaged."""
    try:
        return packet.decode(), False
    except FFmpegError:
        return [], True


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[Sound]:
    """The frames as 16 kHz mono, about a second at a time."""
    form: tuple[str, str, int] | None = None
    stretch: _Stretch | None = None
    for frame in frames:
        found = (frame.format.name, frame.layout.name, frame.sample_rate)
        if stretch is None or found != form:
            # Some streams change rate or channels midway; each stretch has its own resampler.
            if stretch is not None:
                yield from stretch.rest()
            form, stretch = found, _Stretch(frame.sample_rate)
        yield from stretch.take(frame)
    if stretch is not None:
        yield from stretch.rest()


class _Stretch:
    """Frames of one format on their way through a resampler.

    Passing a second at a time is faster than frame by frame, and bounds what a frame of a very low
    rate can grow to.
    """

    def __init__(self, rate: int) -> None:
        if rate not in SAMPLE_RATES:
            raise AudioUnreadable(UNREADABLE)
        self._rate = rate
        self._waiting = AudioFifo()
        self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)

    def take(self, frame: AudioFrame) -> Iterator[Sound]:
        # Damaged files have gaps in their time stamps, at which the queue would refuse the frame.
        frame.pts = None
        self._waiting.write(frame)
        while self._waiting.samples >= self._rate:
            yield from self._through(self._waiting.read(self._rate))

    def rest(self) -> Iterator[Sound]:
        if self._waiting.samples:
            yield from self._through(self._waiting.read())
        yield from self._through(None)

    def _through(self, frame: AudioFrame | None) -> Iterator[Sound]:
        for result in self._resampler.resample(frame):
            # Floating-point files may hold anything; a single NaN would silence the model.
            yield np.clip(np.nan_to_num(result.to_ndarray().reshape(-1)), -1.0, 1.0)


def _blocks(pieces: Iterator[Sound]) -> Iterator[Sound]:
    size = BLOCK_SECONDS * SAMPLE_RATE
    held: list[Sound] = []
    count = 0
    for piece in pieces:
        held.append(piece)
        count += len(piece)
        if count >= size:
            whole = np.concatenate(held)
            yield whole[:size]
            held = [whole[size:]]
            count -= size
    if count:
        yield np.concatenate(held)


def _milliseconds(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE
