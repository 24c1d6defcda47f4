"""Sentences and how they sound, as questions and answers between processes.

A question is JSON. An answer is the length of a JSON header in 4 bytes, most significant first, the header,
and the samples of all sentences as 16-bit integers, least significant byte first: as fine as any format in
which they may leave. An error is a header without samples.
"""

import json
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from stentor_common.carried_errors import as_raised, told
from stentor_common.engine_room import NoRoom
from stentor_common.engines import EngineLost, LoadFailed
from stentor_common.errors import AppError
from stentor_tts.engines import CannotSay, Spoken, SpokenWord, Utterance

if TYPE_CHECKING:
    from stentor_tts.speaking import LocalSpeaker

LENGTH = struct.Struct(">I")
FULL_SCALE = 32_767

CARRIED: dict[str, type[AppError]] = {
    error.code: error for error in (CannotSay, EngineLost, LoadFailed, NoRoom)
}
"""Errors that are the same here as there. Others keep all but their class."""

_UTTERANCES = TypeAdapter(tuple[Utterance, ...])
_WORDS = TypeAdapter(tuple[SpokenWord, ...])


def question(utterances: Sequence[Utterance], *, job: str, caller: str, live: bool) -> bytes:
    said = _UTTERANCES.dump_python(tuple(utterances), mode="json")
    return json.dumps({"utterances": said, "job": job, "caller": caller, "live": live}).encode()


async def answer(speaker: "LocalSpeaker", model: str, asked: bytes) -> bytes:
    """What the speaker says to a question, its error included where that is one for callers."""
    wanted = json.loads(asked)
    try:
        spoken = await speaker.say_with(
            model,
            _UTTERANCES.validate_python(wanted["utterances"]),
            job=wanted["job"],
            caller=wanted["caller"],
            live=wanted["live"],
        )
    except AppError as error:
        return _framed({"error": told(error)}, b"")
    samples = [np.rint(np.clip(each.samples, -1, 1) * FULL_SCALE).astype("<i2") for each in spoken]
    header = [
        {
            "samples": len(found),
            "sample_rate": each.sample_rate,
            "words": _WORDS.dump_python(each.words, mode="json"),
        }
        for each, found in zip(spoken, samples, strict=True)
    ]
    return _framed({"spoken": header}, b"".join(found.tobytes() for found in samples))


def spoken_in(answered: bytes) -> list[Spoken]:
    """What was said. Raises the error that was answered instead."""
    (length,) = LENGTH.unpack_from(answered)
    header = json.loads(answered[LENGTH.size : LENGTH.size + length])
    if "error" in header:
        raise as_raised(header["error"], CARRIED)
    samples = np.frombuffer(answered, "<i2", offset=LENGTH.size + length)
    found, at = [], 0
    for each in header["spoken"]:
        own = samples[at : at + each["samples"]].astype(np.float32) / np.float32(FULL_SCALE)
        found.append(Spoken(own, each["sample_rate"], _WORDS.validate_python(each["words"])))
        at += each["samples"]
    return found


def _framed(header: dict[str, Any], samples: bytes) -> bytes:
    text = json.dumps(header).encode()
    return LENGTH.pack(len(text)) + text + samples
