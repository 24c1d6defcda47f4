"""What server and runner say to each other, over any stream of bytes.

A frame is a header of nine bytes, `length: u32, id: u32, kind: u8`, big-endian, and `length` bytes of body.
The server counts its calls with `id`, from 1; the runner's frames bear the id of the call they answer, 0 if
they answer none. Bodies are JSON, or, where they carry what goes into and comes out of models, bytes behind
a small header: inputs and answers are never written into JSON a second time.

    server → runner
    HELLO      token in UTF-8; first of all over TCP, where a wrong one closes the connection
    START      JSON: what to run, see `program.Start`; over a socket that was handed down, once
    ASK        body: call, see `pack_call`; answered by ANSWER, FAILED or DROPPED
    ASK_MANY   body: count u32, then each call with its length u32 before it; their inputs are JSON lists,
               joined for one call of `predict`. Answered by ANSWERS, FAILED or DROPPED
    STREAM     body: call; answered by PARTs and END, or FAILED, or DROPPED
    MORE       body: u32; so many further PARTs may be sent. A stream begins with `WINDOW` of them
    DROP       the answer is no longer wanted. Answered by DROPPED where the call could be ended, or had not
               begun; by nothing where it cannot: then only ending the process ends the call
    PING       answered by PONG
    IMPORT     to a standby: JSON `{"modules": [...]}`; answered by IMPORTED
    FORK       to a standby: JSON, a `sandbox.Plan`; the descriptors of socket, stdout and stderr come over
               the second socket. Answered by FORKED
    FORGET     to a standby: JSON `{"pid": int}`; nothing of that copy is left

    runner → server
    CONFINED   JSON `{"applied": [...], "missing": {layer: reason}}`, before anything of the model is touched
    LOADED     JSON, see `model.describe`; the model can be called
    NOT_LOADED JSON `{"message", "kind", "details"}`
    ANSWER     body: payload, see `pack_payload`
    ANSWERS    count u32, then each outcome: ok u8, length u32, and a payload, or a JSON error as of FAILED
    PART, END  part: payload; end: nothing
    FAILED     JSON `{"code": "model_error" | "answer_too_large", "message", "kind", "details"}`
    DROPPED    nothing
    PONG       JSON `{"healthy": bool}`: what the model's own `is_healthy` says, true without one
    IMPORTED   JSON `{"memory_bytes": int}`
    FORKED     JSON `{"pid": int}`
    EXITED     JSON `{"pid": int, "status": int}`: a copy ended, negative by that signal; FORGET is awaited
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct(">IIB")
COUNT = struct.Struct(">I")
OUTCOME = struct.Struct(">BI")
CALL = struct.Struct(">BBB")
PAYLOAD = struct.Struct(">BHB")

HELLO, START, ASK, ASK_MANY, STREAM, MORE, DROP, PING, IMPORT, FORK, FORGET = range(1, 12)
CONFINED, LOADED, NOT_LOADED, ANSWER, ANSWERS, PART, END, FAILED, DROPPED, PONG = range(65, 75)
IMPORTED, FORKED, EXITED = range(75, 78)

WINDOW = 16
"""Parts of a stream that may be under way."""

LARGEST_INPUT = 1 << 30

JSON, TEXT, BYTES = range(3)
"""Kinds of payloads."""

KINDS = ("json", "text", "bytes")
"""Their names."""

NON_FINITE = 1
"""Flag of an answer: numbers that JSON does not know were told as null."""


class Call(NamedTuple):
    """One input on its way to the model."""

    kind: int
    method: str
    request_id: str
    body: bytes


class Answered(NamedTuple):
    """One answer, or part of one, on its way back."""

    kind: int
    body: bytes
    media_type: str = ""
    flags: int = 0


def frame(kind: int, call: int = 0, body: bytes = b"") -> bytes:
    return HEADER.pack(len(body), call, kind) + body


def pack_call(call: Call) -> bytes:
    """`kind: u8, length of method: u8, length of request id: u8`, method, request id, input."""
    method, request_id = call.method.encode()[:255], call.request_id.encode()[:255]
    return CALL.pack(call.kind, len(method), len(request_id)) + method + request_id + call.body


def unpack_call(body: bytes) -> Call:
    """Raises ValueError when it is none."""
    try:
        kind, method, request_id = CALL.unpack_from(body)
        start = CALL.size + method
        end = start + request_id
        return Call(
            kind, body[CALL.size : start].decode(), body[start:end].decode(errors="replace"), body[end:]
        )
    except struct.error as error:
        raise ValueError("not a call") from error


def pack_payload(answer: Answered) -> bytes:
    """`kind: u8, length of media type: u16, flags: u8`, media type, body."""
    media_type = answer.media_type.encode()[:255]
    return PAYLOAD.pack(answer.kind, len(media_type), answer.flags) + media_type + answer.body


def unpack_payload(body: bytes) -> Answered:
    """Raises ValueError when it is none."""
    try:
        kind, length, flags = PAYLOAD.unpack_from(body)
    except struct.error as error:
        raise ValueError("not a payload") from error
    start = PAYLOAD.size + length
    if kind >= len(KINDS) or start > len(body):
        raise ValueError("not a payload")
    return Answered(kind, body[start:], body[PAYLOAD.size : start].decode(), flags)


def pack_many(calls: list[bytes]) -> bytes:
    """Calls as of `pack_call`, each with its length before it."""
    return COUNT.pack(len(calls)) + b"".join([COUNT.pack(len(call)) + call for call in calls])


def unpack_many(body: bytes) -> list[Call]:
    """Raises ValueError when they are none."""
    calls, at = [], COUNT.size
    try:
        (count,) = COUNT.unpack_from(body)
        for _ in range(count):
            (length,) = COUNT.unpack_from(body, at)
            at += COUNT.size
            calls.append(unpack_call(body[at : at + length]))
            at += length
    except struct.error as error:
        raise ValueError("not calls") from error
    return calls


def pack_outcomes(outcomes: list[tuple[bool, bytes]]) -> bytes:
    """Each a payload as of `pack_payload`, or, where it is not ok, the JSON of an error."""
    parts = [COUNT.pack(len(outcomes))]
    for ok, body in outcomes:
        parts += (OUTCOME.pack(ok, len(body)), body)
    return b"".join(parts)


def unpack_outcomes(body: bytes) -> list[tuple[bool, bytes]]:
    """Raises ValueError when they are none, or end early."""
    outcomes, at = [], COUNT.size
    try:
        (count,) = COUNT.unpack_from(body)
        for _ in range(count):
            ok, length = OUTCOME.unpack_from(body, at)
            at += OUTCOME.size
            if at + length > len(body):
                raise ValueError("outcomes end early")
            outcomes.append((bool(ok), body[at : at + length]))
            at += length
    except struct.error as error:
        raise ValueError("not outcomes") from error
    return outcomes
