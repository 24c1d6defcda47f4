"""Published clients of OctoAI's endpoints, unmodified, against everything in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]


@pytest.mark.parametrize("version", ["0.4.0", "0.10.1"])
def test_the_published_client_infers_now_later_and_in_parts(
    client_python: Callable[..., Path],
    run_client: Callable[..., dict[str, Any]],
    url: str,
    api_token: str,
    version: str,
) -> None:
    python = client_python(f"octoai-sdk=={version}")
    said = run_client(python, "octoai_whisper.py", url, api_token, SPEECH)
    assert said["healthy"] == 200
    text = said["predicted"]["transcription"]
    assert "disposed young man" in text
    assert said["predicted"]["response"]["segments"][0]["text"] in text
    assert said["inferred"]["output"] == text
    for result in said["results"]:
        assert result["response"] == said["predicted"]["response"]
    assert said["refused"].startswith("OctoAIClientError: ")
    assert "request_id" in said["refused"] or version == "0.4.0"
    if version == "0.10.1":
        assert " ".join(part["transcription"] for part in said["parts"]) == text
