"""What a process does with the one recording it is made for: decode, cut, hand over."""

import os
import socket
import sys
from typing import BinaryIO

from av.error import FFmpegError

from stentor_stt.decoder.cutting import Cutter, Piece
from stentor_stt.decoder.reading import Source, opened
from stentor_stt.decoder.voice import judge
from stentor_stt.decoder.wire import (
    MIXED,
    End,
    Failure,
    Fault,
    Kind,
    Plan,
    Refused,
    piece_head,
    settled,
    text,
)
from stentor_stt.sound import SAMPLE_RATE, samples


def decode(file: BinaryIO, to: socket.socket, plan: Plan) -> None:
    """Answers what the plan asks for, as fast as it is read; what is wrong with the recording is an answer
    too. Raises BrokenPipeError or ConnectionResetError when nobody listens any more."""
    try:
        if os.fstat(file.fileno()).st_size == 0:
            raise Refused(Fault.EMPTY)
        with opened(file) as source:
            to.sendall(text(Kind.INFO, source.info))
            _cut(source, to, plan)
    except Refused as error:
        to.sendall(text(Kind.FAILED, error.failure))
    except Exception as error:
        if isinstance(error, BrokenPipeError | ConnectionResetError) and not isinstance(error, FFmpegError):
            raise
        to.sendall(text(Kind.FAILED, Failure(Fault.BROKEN, remark=repr(error)[:500])))


def _cut(source: Source, to: socket.socket, plan: Plan) -> None:
    start = samples(plan.start_ms)
    end = sys.maxsize if plan.end_ms is None else samples(plan.end_ms)
    cutters: list[Cutter] = []
    total, whole = 0, True
    for position, block in source.blocks(split=plan.split_channels, start=start):
        total = position + block.shape[1]
        if min(total, end) > plan.max_seconds * SAMPLE_RATE:
            raise Refused(Fault.TOO_LONG)
        cutters = cutters or [_cutter(plan, start) for _ in block]
        wanted = block[:, max(0, start - position) : max(0, end - position)]
        for channel, (cutter, sound) in enumerate(zip(cutters, wanted, strict=True)):
            for piece in cutter.take(sound):
                _send(to, piece, channel if plan.split_channels else MIXED)
        # Also where nothing came of it: it shows that the decoder is alive.
        to.sendall(settled(min(cutter.settled for cutter in cutters)))
        if total >= end:
            whole = False
            break
    if total == 0:
        raise Refused(Fault.EMPTY)
    if total <= start:
        raise Refused(Fault.OUTSIDE, seconds=total / SAMPLE_RATE)
    for channel, cutter in enumerate(cutters):
        for piece in cutter.rest():
            _send(to, piece, channel if plan.split_channels else MIXED)
    to.sendall(text(Kind.END, End(min(total, end), whole)))


def _cutter(plan: Plan, start: int) -> Cutter:
    return Cutter(judge(plan.detector), longest=int(plan.piece_seconds * SAMPLE_RATE), start=start)


def _send(to: socket.socket, piece: Piece, channel: int) -> None:
    to.sendall(piece_head(channel, piece.start, len(piece.sound), piece.speech))
    to.sendall(piece.sound.data)
