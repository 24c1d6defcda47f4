"""Clients of AI/ML API, unmodified, against everything in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"

ClientPython = Callable[..., Path]
RunClient = Callable[..., dict[str, Any]]

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]


def test_the_published_client_transcribes_with_models_of_every_family(
    client_python: ClientPython, run_client: RunClient, url: str, api_token: str
) -> None:
    python = client_python("aimlapi-sdk-python==2.24.0rc1")
    said = run_client(python, "aiml_sdk.py", url, api_token, SPEECH)
    assert said["whisper"]["status"] == "completed"
    heard = said["whisper"]["result"]
    assert "disposed young man" in heard["text"]
    assert heard["results"]["channels"][0]["alternatives"][0]["words"][0]["punctuated_word"] == "He"
    assert "warnings" not in heard["metadata"]
    assert "disposed young man" in said["openai"]["result"]["text"]
    assert said["openai"]["result"]["usage"]["output_tokens"] > 5
    assert "disposed young man" in said["assembly"]["result"]["text"]
    assert "gpt-2" in said["refused"]
    assert said["spoken"] == ["audio/mpeg", "audio/wav"]
    assert min(said["spoken_bytes"]) > 3_000


def test_programs_like_those_of_the_documents_come_to_their_end(
    client_python: ClientPython, run_client: RunClient, url: str, api_token: str
) -> None:
    python = client_python("websocket-client==1.8.0", "requests==2.32.3")
    said = run_client(python, "aiml_requests.py", url, api_token, SPEECH)
    assert said["by_url"] == said["by_file"]
    assert said["by_file"].startswith("he was not")
    assert said["by_file"] == said["by_file"].lower()
