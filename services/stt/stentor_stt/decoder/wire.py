"""What is said to the fork server, and what a decoding process answers. Nothing of it is trusted."""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from typing import Self

from stentor_stt.sound import SAMPLE_BYTES, SAMPLE_RATE

RECORD_BYTES = 512
"""Every request has this size, so that none is read by halves."""

HEADER = struct.Struct("!BxHIQQ")
"""Of an answer: kind, channel, bytes that follow, first sample, sample before which all is settled."""

MIXED = 0xFFFF
"""Stands for the channel where all of them were mixed to one."""

SPAN_COUNT = struct.Struct("!I")
SPAN_BYTES = 8

MOST_SAMPLES = 30 * SAMPLE_RATE
"""In a piece."""
MOST_CHANNELS = 16
"""That are heard by themselves."""
MOST_BYTES = MOST_SAMPLES * SAMPLE_BYTES + 64 * 1024
"""That follow a header: a piece, and where somebody speaks in it."""


class Detector(StrEnum):
    """How it is found out where somebody speaks."""

    SPEECH = "speech"
    """A model that knows speech from other sound."""
    SOUND = "sound"
    """Whatever is not perfectly silent."""
    NONE = "none"
    """Not at all: everything is heard."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a recording is decoded and cut."""

    detector: Detector = Detector.SPEECH
    split_channels: bool = False
    """Each channel by itself; else they are mixed to one."""
    start_ms: int = 0
    end_ms: int | None = None
    """Only what lies between the two."""
    piece_seconds: float = 28
    """Most that is heard at once, 30 at most."""
    max_seconds: float = 24 * 3600
    """Longest recording, whatever its header says."""
    memory_mib: int = 512
    """Most memory of the process that decodes."""


class Kind(IntEnum):
    """What an answer is."""

    INFO = 1
    """Text, an AudioInfo. Always the first."""
    PIECE = 2
    """Where somebody speaks, then the samples."""
    SETTLED = 3
    """Nothing follows: the decoder lives, and is so far."""
    END = 4
    """Text, an End: all pieces were given."""
    FAILED = 5
    """Text, a Failure: there will be no more."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What the header says; `duration_seconds` is None where the format does not tell."""

    duration_seconds: float | None
    container: str
    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class End:
    samples: int
    """How far the recording was read."""
    whole: bool
    """Whether that is all of it."""


class Fault(StrEnum):
    """What may be wrong with a recording."""

    UNREADABLE = "unreadable"
    NO_SOUND = "no_sound"
    """No audio stream is in it."""
    DAMAGED = "damaged"
    """Nothing in the audio stream can be decoded."""
    EMPTY = "empty"
    TOO_LONG = "too_long"
    OUTSIDE = "outside"
    """It ends before what is wanted of it begins."""
    CHANNELS = "channels"
    """Too many to hear each by itself."""
    BROKEN = "broken"
    """The decoder itself failed on it."""


@dataclass(frozen=True, slots=True)
class Failure:
    fault: Fault
    seconds: float | None = None
    """How long the recording is, where that matters."""
    remark: str = ""
    """For the log."""


class Refused(Exception):
    """The recording cannot be decoded as planned."""

    def __init__(self, fault: Fault, *, seconds: float | None = None, remark: str = "") -> None:
        super().__init__(fault)
        self.failure = Failure(fault, seconds, remark)


@dataclass(frozen=True, slots=True)
class Request:
    """To the server: decode the first of two descriptors that come along and answer to the second."""

    number: int
    plan: Plan | None
    """None ends the process that was made with this number."""

    def packed(self) -> bytes:
        text = json.dumps([self.number, asdict(self.plan) if self.plan else None], separators=(",", ":"))
        return text.encode().ljust(RECORD_BYTES)

    @classmethod
    def unpacked(cls, record: bytes) -> Self:
        number, plan = json.loads(record)
        return cls(number, Plan(**{**plan, "detector": Detector(plan["detector"])}) if plan else None)


def text(kind: Kind, content: AudioInfo | End | Failure) -> bytes:
    """An answer that holds a few words."""
    body = json.dumps(asdict(content)).encode()
    return HEADER.pack(kind, MIXED, len(body), 0, 0) + body


def settled(sample: int) -> bytes:
    return HEADER.pack(Kind.SETTLED, MIXED, 0, 0, sample)


def piece_head(channel: int, start: int, samples: int, speech: Sequence[tuple[int, int]]) -> bytes:
    """What comes before the samples of a piece."""
    spans = [sample for span in speech for sample in span]
    size = SPAN_COUNT.size + len(spans) * SPAN_BYTES + samples * SAMPLE_BYTES
    head = HEADER.pack(Kind.PIECE, channel, size, start, start + samples)
    return head + SPAN_COUNT.pack(len(speech)) + struct.pack(f"!{len(spans)}Q", *spans)


def piece_parts(body: bytes) -> tuple[tuple[tuple[int, int], ...], memoryview]:
    """Where somebody speaks in a piece, and the bytes of its samples. Raises ValueError."""
    try:
        (count,) = SPAN_COUNT.unpack_from(body)
        edges = struct.unpack_from(f"!{2 * count}Q", body, SPAN_COUNT.size)
    except struct.error as error:
        raise ValueError(str(error)) from error
    samples = memoryview(body)[SPAN_COUNT.size + 2 * count * SPAN_BYTES :]
    if len(samples) > MOST_SAMPLES * SAMPLE_BYTES or len(samples) % SAMPLE_BYTES:
        raise ValueError("a piece has not the right length")
    return tuple(zip(edges[::2], edges[1::2], strict=True)), samples
