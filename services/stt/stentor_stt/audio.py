"""Recordings of any format as pieces of 16 kHz sound, decoded and cut in a process that can do no harm."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import structlog
from pydantic import TypeAdapter

from stentor_common.errors import AppError
from stentor_stt.decoder.wire import (
    HEADER,
    MIXED,
    MOST_BYTES,
    MOST_CHANNELS,
    AudioInfo,
    Detector,
    End,
    Failure,
    Fault,
    Kind,
    Plan,
    Request,
    piece_parts,
)
from stentor_stt.errors import (
    AudioEmpty,
    AudioTooLong,
    AudioUnreadable,
    ClipOutside,
    DecoderLost,
    TooManyChannels,
)
from stentor_stt.sound import SAMPLE_BYTES, SAMPLE_RATE, Sound, milliseconds

__all__ = ["SAMPLE_RATE", "AudioInfo", "Cut", "Decoder", "Detector", "Plan", "Recording", "Sound"]

STALL_SECONDS = 120.0
"""A decoder that gives nothing for so long, while it is waited for, is given up."""

ENVIRONMENT = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that the decoder's processes see: what finding libraries takes, and nothing secret."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""Threads of libraries would not survive a fork."""

GOODBYE_SECONDS = 5
LOST_TOGETHER_SECONDS = 0.2

UNREADABLE = "the file holds no sound that can be read: send wav, mp3, m4a, ogg, flac, webm or mp4"
NO_SOUND = "the file holds no audio stream: send a recording, or a video with a sound track"
DAMAGED = "the file looks like a recording, but no sound in it could be read: it may be damaged"
EMPTY = "the file is empty: send a recording"
BROKEN = "the file could not be read: decoding it broke off; it may be damaged, or send it in another format"
STALLED = "the file could not be read: decoding it stood still for {:.0f} s; it may be damaged"

T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch of the recording that is heard at once."""

    number: int
    """Counted from 0, the same each time the recording is cut by the same plan."""
    channel: int | None
    """Counted from 0; None where all channels were mixed."""
    start: int
    """The first sample, counted from the recording's start."""
    pcm: memoryview
    """The bytes of its samples, 32-bit floating-point numbers."""
    speech: tuple[tuple[int, int], ...]
    """Where in the recording somebody speaks: (first, one past last) sample, in order."""

    @property
    def end(self) -> int:
        """One past the last sample."""
        return self.start + len(self.pcm) // SAMPLE_BYTES


class Recording:
    """A recording that is being decoded. Iterate over it once to have its cuts, in order.

    Nothing is decoded further than one cut ahead of who takes them. Iterating raises AudioUnreadable,
    AudioEmpty, AudioTooLong, ClipOutside, TooManyChannels; DecoderLost.
    """

    def __init__(self, answers: _Answers, info: AudioInfo) -> None:
        self._answers = answers
        self._numbers = itertools.count()
        self.info = info
        self.settled = 0
        """All sound before this sample is in a cut that was given, or in none."""
        self.duration_ms: int | None = None
        """Of the whole recording, once the last cut was given."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Cut:
        while self.duration_ms is None:
            answer = await self._answers.next()
            self.settled = max(self.settled, answer.settled)
            if answer.kind == Kind.PIECE:
                return answer.cut(next(self._numbers))
            if answer.kind == Kind.END:
                self.duration_ms = self._duration_ms(answer.text(End))
        raise StopAsyncIteration

    def _duration_ms(self, end: End) -> int:
        read_ms = milliseconds(end.samples)
        header = self.info.duration_seconds
        # Of a recording that was not read to its end only the header tells how long it is.
        return read_ms if end.whole or header is None else max(read_ms, round(header * 1000))


class Decoder:
    """Makes limited processes that decode, one for each recording, as long as the recording is read.

    They are forked by a small server that has the libraries loaded. It is started with the first recording
    and serves any number of event loops. All of them end with this process.
    """

    def __init__(self, *, stall_seconds: float = STALL_SECONDS) -> None:
        self._stall_seconds = stall_seconds
        self._numbers = itertools.count(1)
        self._server: _Server | None = None

    @asynccontextmanager
    async def open(self, path: Path, plan: Plan) -> AsyncIterator[Recording]:
        """The recording in a file. Its process ends with the block, however far it is.

        Raises what iterating over the recording raises.
        """
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        try:
            with theirs, path.open("rb", buffering=0) as file:
                server = self._serving()
                server.send(Request(number, plan), file.fileno(), theirs.fileno())
            reader, writer = await asyncio.open_connection(sock=ours)
        except BaseException:
            ours.close()
            raise
        try:
            answers = _Answers(reader, server, self._stall_seconds, plan)
            yield Recording(answers, (await answers.next()).text(AudioInfo))
        finally:
            writer.transport.abort()
            server.send(Request(number, None))

    async def probe(self, path: Path) -> AudioInfo:
        """Format and length from the header alone. Raises AudioUnreadable, AudioEmpty, DecoderLost."""
        async with self.open(path, Plan(detector=Detector.NONE)) as recording:
            return recording.info

    async def close(self) -> None:
        if self._server:
            server, self._server = self._server, None
            await asyncio.to_thread(server.end)

    def _serving(self) -> _Server:
        if self._server is None or self._server.lost:
            if self._server:
                log.warning("the decoder's server was lost and is started again")
                self._server.end()
            self._server = _Server()
        return self._server


class _Server:
    """The process that forks those that decode, see `stentor_stt.decoder.server`."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stentor_stt.decoder"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=environment | ONE_THREAD,
                # What is typed at a terminal is meant for us, and we finish what is under way.
                start_new_session=True,
            )

    @property
    def lost(self) -> bool:
        return self._process.poll() is not None

    def send(self, request: Request, *descriptors: int) -> None:
        # A server that is gone needs not be told, and who waits for its answer will see.
        with contextlib.suppress(OSError):
            socket.send_fds(self._control, [request.packed()], descriptors)

    def end(self) -> None:
        """Blocks until it has ended, and its processes with it."""
        self._control.close()
        try:
            self._process.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass(frozen=True, slots=True)
class _Answer:
    kind: int
    channel: int
    start: int
    settled: int
    body: bytes

    def text(self, form: type[T]) -> T:
        """Raises AudioUnreadable when it is something else."""
        try:
            return TypeAdapter(form).validate_json(self.body)
        except ValueError:
            raise AudioUnreadable(BROKEN) from None

    def cut(self, number: int) -> Cut:
        """Raises AudioUnreadable when it is something else."""
        try:
            speech, pcm = piece_parts(self.body)
        except ValueError:
            raise AudioUnreadable(BROKEN) from None
        return Cut(number, None if self.channel == MIXED else self.channel, self.start, pcm, speech)


class _Answers:
    """What a process that decodes has to say, which may be anything, or nothing."""

    def __init__(
        self, reader: asyncio.StreamReader, server: _Server, stall_seconds: float, plan: Plan
    ) -> None:
        self._reader = reader
        self._server = server
        self._stall_seconds = stall_seconds
        self._plan = plan

    async def next(self) -> _Answer:
        """Raises what the process says is wrong with the recording, or what its end says."""
        try:
            async with asyncio.timeout(self._stall_seconds):
                answer = await self._read()
        except TimeoutError:
            raise AudioUnreadable(STALLED.format(self._stall_seconds)) from None
        except (asyncio.IncompleteReadError, ConnectionError):
            # Whoever killed the server may have killed its processes a moment earlier.
            await asyncio.sleep(LOST_TOGETHER_SECONDS)
            if self._server.lost:
                raise DecoderLost from None
            log.warning("a recording ended its decoder")
            raise AudioUnreadable(BROKEN) from None
        if answer.kind == Kind.FAILED:
            raise self._error(answer.text(Failure))
        return answer

    async def _read(self) -> _Answer:
        header = await self._reader.readexactly(HEADER.size)
        kind, channel, size, start, settled = HEADER.unpack(header)
        if size > MOST_BYTES:
            raise AudioUnreadable(BROKEN)
        return _Answer(kind, channel, start, settled, await self._reader.readexactly(size))

    def _error(self, failure: Failure) -> AppError:
        if failure.fault is Fault.BROKEN:
            log.warning("a recording broke its decoder", reason=failure.remark)
        found: dict[Fault, Callable[[], AppError]] = {
            Fault.UNREADABLE: lambda: AudioUnreadable(UNREADABLE),
            Fault.NO_SOUND: lambda: AudioUnreadable(NO_SOUND),
            Fault.DAMAGED: lambda: AudioUnreadable(DAMAGED),
            Fault.BROKEN: lambda: AudioUnreadable(BROKEN),
            Fault.EMPTY: lambda: AudioEmpty(EMPTY),
            Fault.TOO_LONG: lambda: AudioTooLong(self._plan.max_seconds),
            Fault.OUTSIDE: lambda: ClipOutside(self._plan.start_ms, failure.seconds or 0.0),
            Fault.CHANNELS: lambda: TooManyChannels(MOST_CHANNELS),
        }
        return found[failure.fault]()
