"""The published client of AssemblyAI, unmodified, against everything in one process with the real model."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stentor_common.testing import eventually
from stentor_common.testing_receiver import receiver

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"

ClientPython = Callable[..., Path]
RunClient = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]


async def test_the_published_client_transcribes_exports_lists_deletes_and_is_told(
    client_python: ClientPython, run_client: RunClient, url: str, api_token: str
) -> None:
    python = await asyncio.to_thread(client_python, "assemblyai==1.8.2")
    async with receiver() as server:
        said = await asyncio.to_thread(
            run_client, python, "assemblyai_speech.py", url, api_token, SPEECH, server.url
        )

        async def told() -> bool:
            return bool(server.received)

        await eventually(told)

    assert "disposed young man" in said["text"]
    assert " ".join(said["words"]) == said["text"]
    assert 1_000 < said["last_end_ms"] < 4_000
    assert said["duration"] in (2, 3, 4)
    assert 0.5 < said["confidence"] <= 1
    assert said["srt"].startswith("1\n00:00:0")
    assert said["vtt"].startswith("WEBVTT\n")
    assert max(map(len, said["vtt"].splitlines())) <= len("00:00:00.000 --> 00:00:00.000")
    assert " ".join(said["sentences"]) == " ".join(said["paragraphs"]) == said["text"]
    assert said["searched"] == [["young", 1]]

    assert said["submitted"] in ("queued", "processing", "completed")
    assert "young fellow" in said["rich"]
    assert said["speakers"] == ["A"]
    assert [text.split()[0] for text in said["warnings"]] == ["summarization"]
    assert said["detected"][0] == "en"
    assert 0.5 < said["detected"][1] <= 1
    assert said["failed"][0] == "error"
    assert "not public" in said["failed"][1]

    assert len(said["listed"]) == len(said["older"]) == 2
    assert not set(said["listed"]) & set(said["older"])
    assert said["deleted"] == [True, "Deleted by user."]
    assert "no job" in said["gone"]
    assert "filter_profanity is not done" in said["refused"]

    [message] = server.received
    assert message.json == {"transcript_id": said["rich_id"], "status": "completed"}
    assert message.headers["x-secret"] == "sesame"
