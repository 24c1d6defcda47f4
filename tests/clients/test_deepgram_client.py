"""The published client of Deepgram, unmodified, against everything in one process with the real model."""

import asyncio
import hashlib
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


async def test_the_published_client_transcribes_files_and_live_sound_and_is_told_by_callback(
    client_python: ClientPython, run_client: RunClient, url: str, api_token: str
) -> None:
    python = await asyncio.to_thread(client_python, "deepgram-sdk==7.17.0")
    async with receiver() as server:
        said = await asyncio.to_thread(
            run_client, python, "deepgram_speech.py", url, api_token, SPEECH, f"{server.url}/done"
        )

        async def told() -> bool:
            return bool(server.received)

        await eventually(told, seconds=60)

    assert "disposed young man" in said["text"]
    assert said["text"] == said["text"].lower()
    assert " ".join(said["words"]) == said["text"]
    assert 1 < said["last_end"] <= said["duration"] < 5
    assert said["sha256"] == hashlib.sha256(SPEECH.read_bytes()).hexdigest()

    assert said["rich"].startswith("He was not")
    assert "young fellow" in said["rich"]
    assert said["rich"] in said["paragraphs"]
    assert " ".join(said["utterances"]) == said["rich"]
    assert (said["speakers"], said["hits"], said["tags"]) == ([0], 1, ["a", "b"])
    assert said["warnings"] == ["topics", "model"]
    assert said["refused"].startswith("400 Bad Request")
    assert "not public" in said["refused"]

    assert "disposed young man" in said["live"]
    assert said["live_seconds"] == said["duration"]

    [message] = server.received
    assert (message.method, message.path) == ("PUT", "/done")
    assert message.json["metadata"]["request_id"] == said["request_id"]
    [channel] = message.json["results"]["channels"]
    assert channel["alternatives"][0]["transcript"].startswith("He was not")
