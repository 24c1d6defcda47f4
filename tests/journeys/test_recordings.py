"""What callers can want of a recording: parts of it, its channels, its speakers, its spelling."""

import io
import json
import wave
from collections.abc import Sequence
from typing import Any

import httpx2
import numpy as np
import numpy.typing as npt
import pytest

from stentor_common.runtime import Runtime
from stentor_stt.pieces import sweep

PATH = "/v1/transcriptions"
RATE = 16_000
LOW, HIGH, NOTHING = 220, 1_900, 0
"""Pitches of two voices, and of nobody."""

Sound = npt.NDArray[np.float64]


def voice(pitch: int, seconds: float) -> Sound:
    return 0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)


def voices(*parts: tuple[int, float]) -> Sound:
    return np.concatenate([voice(*part) for part in parts])


def recording(*channels: Sound) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((len(channels), 2, RATE, 0, "NONE", ""))
        out.writeframes((np.stack(channels, axis=1) * 32_767).astype("<i2").tobytes())
    return file.getvalue()


TALK = recording(voices((LOW, 3), (NOTHING, 3), (HIGH, 3), (NOTHING, 3), (LOW, 3)))


async def transcribed(client: httpx2.AsyncClient, file: bytes, **wanted: Any) -> dict[str, Any]:
    answer = await client.post(
        PATH, files={"file": ("talk.wav", file)}, data=wanted, headers={"Prefer": "wait=30"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def each(found: dict[str, Any], *fields: str) -> list[Sequence[Any]]:
    return [tuple(segment[field] for field in fields) for segment in found["segments"]]


pytestmark = pytest.mark.parametrize("script", [{"texts": ["Hello stan tore."]}])


async def test_what_is_said_is_where_it_is_said(client: httpx2.AsyncClient) -> None:
    found = await transcribed(client, TALK)

    starts = [start for (start,) in each(found, "start_ms")]
    assert starts == pytest.approx([0, 5_700, 11_700], abs=40)
    assert found["text"] == "Hello stan tore. Hello stan tore. Hello stan tore."
    assert found["duration_ms"] == 15_000
    assert each(found, "speaker", "channel") == [(None, None)] * 3


async def test_a_clip_is_all_that_is_heard(client: httpx2.AsyncClient) -> None:
    found = await transcribed(client, TALK, clip_start_ms="4000", clip_end_ms="10000")

    assert each(found, "start_ms") == [(pytest.approx(5_700, abs=40),)]
    assert found["duration_ms"] == 15_000


async def test_a_clip_behind_the_end_fails_with_the_length(client: httpx2.AsyncClient) -> None:
    found = await transcribed(client, TALK, clip_start_ms="15000")

    assert (found["status"], found["error"]["code"]) == ("failed", "clip_outside")
    assert "15.000 s" in found["error"]["message"]


async def test_each_channel_is_heard_by_itself(client: httpx2.AsyncClient) -> None:
    left = voices((LOW, 2), (NOTHING, 4))
    right = voices((NOTHING, 3), (HIGH, 3))

    found = await transcribed(client, recording(left, right), channels="separate")

    assert each(found, "channel", "start_ms") == [(0, 0), (1, pytest.approx(2_700, abs=40))]
    assert {word["channel"] for word in found["words"]} == {0, 1}


async def test_speakers_are_told_apart(client: httpx2.AsyncClient) -> None:
    found = await transcribed(client, TALK, diarize="true")

    assert each(found, "speaker") == [("A",), ("B",), ("A",)]
    assert {word["speaker"] for word in found["words"]} == {"A", "B"}


async def test_a_known_speaker_is_named(client: httpx2.AsyncClient) -> None:
    sample = recording(voice(HIGH, 4))
    upload = (await client.post("/v1/uploads", files={"file": ("ann.wav", sample)})).json()
    known = json.dumps([{"name": "Ann", "upload_id": upload["id"]}])

    found = await transcribed(client, TALK, known_speakers=known)

    assert each(found, "speaker") == [("A",), ("Ann",), ("A",)]


async def test_words_are_spelled_as_wanted(client: httpx2.AsyncClient) -> None:
    found = await transcribed(client, TALK, spelling="stan tore=Stentor")

    assert found["text"] == "Hello Stentor. Hello Stentor. Hello Stentor."
    assert [word["text"] for word in found["words"]] == ["Hello", "Stentor."] * 3


async def test_nothing_of_a_finished_transcription_is_kept_in_pieces(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    found = await transcribed(client, TALK)

    await sweep(runtime)

    assert (await client.get(f"{PATH}/{found['id']}")).json()["text"] == found["text"]
