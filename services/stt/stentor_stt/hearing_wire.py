"""Pieces of sound and what they say, as questions and answers between processes.

A question is the length of a JSON header in 4 bytes, most significant first, the header, and the samples
as they are in memory, 16-bit integers or 32-bit floats, least significant byte first. An answer is JSON.
"""

import json
import struct
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from stentor_common.carried_errors import as_raised, told
from stentor_common.engine_room import NoRoom
from stentor_common.engines import EngineLost, LoadFailed
from stentor_common.errors import AppError
from stentor_common.shelf import ModelNotFound
from stentor_stt.audio import Sound
from stentor_stt.batching import Hearer
from stentor_stt.engines import Heard, Piece
from stentor_stt.errors import TaskNotOffered, UnknownLanguage
from stentor_stt.options import Options

LENGTH = struct.Struct(">I")
FULL_SCALE = 32_768

CARRIED: dict[str, type[AppError]] = {
    error.code: error
    for error in (EngineLost, LoadFailed, ModelNotFound, NoRoom, TaskNotOffered, UnknownLanguage)
}
"""Errors that are the same here as there. Others keep all but their class."""

_OPTIONS = TypeAdapter(Options)
_HEARD = TypeAdapter(Heard)


def piece_question(piece: Piece, *, job: str, caller: str, live: bool) -> bytes:
    kind, samples = _packed(piece.sound)
    header = {
        "options": _OPTIONS.dump_python(piece.options, mode="json"),
        "find_speech": piece.find_speech,
        "samples": kind,
        "job": job,
        "caller": caller,
        "live": live,
    }
    return _question(header, samples)


def check_question(options: Options) -> bytes:
    return _question({"options": _OPTIONS.dump_python(options, mode="json")}, b"")


async def answer(hearer: Hearer, model: str, question: bytes) -> bytes:
    """What the hearer says to a question, its error included where that is one for callers."""
    (length,) = LENGTH.unpack_from(question)
    header = json.loads(question[LENGTH.size : LENGTH.size + length])
    options = _OPTIONS.validate_python(header["options"])
    try:
        if "samples" not in header:
            await hearer.check(model, options)
            return b"null"
        sound = _unpacked(header["samples"], question[LENGTH.size + length :])
        piece = Piece(sound, options, header["find_speech"])
        heard = await hearer.hear(
            model, piece, job=header["job"], caller=header["caller"], live=header["live"]
        )
    except AppError as error:
        return json.dumps({"error": told(error)}).encode()
    return _HEARD.dump_json(heard)


def heard_in(answered: bytes) -> Heard:
    """What was heard. Raises the error that was answered instead."""
    found = _answered(answered)
    return _HEARD.validate_python(found)


def checked_in(answered: bytes) -> None:
    """Raises the error that was answered."""
    _answered(answered)


def _question(header: dict[str, Any], samples: bytes) -> bytes:
    text = json.dumps(header).encode()
    return LENGTH.pack(len(text)) + text + samples


def _packed(sound: Sound) -> tuple[str, bytes]:
    """In half the bytes where nothing is lost by that, as with sound that came as 16-bit samples."""
    with np.errstate(invalid="ignore"):
        whole = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype("<i2")
    if np.array_equal(_floats(whole), sound):
        return "int16", whole.tobytes()
    return "float32", sound.astype("<f4").tobytes()


def _unpacked(kind: str, samples: bytes) -> Sound:
    if kind == "int16":
        return _floats(np.frombuffer(samples, "<i2"))
    return np.frombuffer(samples, "<f4").astype(np.float32)


def _floats(whole: Any) -> Sound:
    return whole.astype(np.float32) / np.float32(FULL_SCALE)  # type: ignore[no-any-return]


def _answered(answered: bytes) -> Any:
    found = json.loads(answered)
    if found is None or "error" not in found:
        return found
    raise as_raised(found["error"], CARRIED)
