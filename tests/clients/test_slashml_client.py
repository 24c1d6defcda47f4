"""The published client of the SlashML contract, unmodified, against everything in one process."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SPEECH = ROOT / "tests" / "speech" / "sense-0880.wav"

pytestmark = [
    pytest.mark.live,
    pytest.mark.models,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        sys.version_info >= (3, 12), reason="the client pins libraries that have no build for this Python"
    ),
]


def test_the_published_client_uploads_submits_polls_and_executes(
    client_python: Callable[..., Path], run_client: Callable[..., dict[str, Any]], url: str
) -> None:
    said = run_client(client_python("slashml==0.1.6"), "slashml_speech.py", url, SPEECH)
    assert said["submitted"] == "IN_PROGRESS"
    assert said["polled"] in ("IN_PROGRESS", "COMPLETED")
    assert said["text"] == said["transcription"]
    assert "disposed young man" in said["text"]
    assert " ".join(said["words"]).startswith("He was not")
    assert 1_000 < said["last_end_ms"] < 4_000
    assert said["failed"] == "ERROR"
    assert said["choices"] == ["assembly", "aws", "whisper", "deepgram", "google", "rev"]
