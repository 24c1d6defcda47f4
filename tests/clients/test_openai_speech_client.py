"""OpenAI's own client has texts spoken with a real voice, and heard again, by everything in one process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]

Said = dict[str, Any]
FOX = "quick brown fox jumps over the lazy dog"


@pytest.fixture(scope="module", params=["openai==3.52.0", "openai==1.109.1"])
def said(
    request: pytest.FixtureRequest,
    client_python: Callable[..., Path],
    run_client: Callable[..., Said],
    url: str,
    api_token: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Said:
    """What the client said to each call, see the script."""
    python, folder = client_python(request.param), tmp_path_factory.mktemp("speech")
    return run_client(python, "openai_speech.py", url, api_token, folder)


def test_what_is_said_in_any_format_is_understood(said: Said) -> None:
    assert said["heard"].keys() == {"mp3", "wav", "flac", "opus"}
    for text in (*said["heard"].values(), said["streamed"], said["by_events"]):
        assert FOX in text
        assert "30" in text


def test_bare_samples_last_as_long_as_people_speak(said: Said) -> None:
    seconds = said["pcm_bytes"] / 2 / 24_000
    assert 3 < seconds < 9
    assert said["aac_bytes"] > 10_000


def test_a_stream_says_who_speaks_and_what_had_no_effect(said: Said) -> None:
    assert said["streamed_headers"] == ["joe", True]
    assert said["done"]["type"] == "speech.audio.done"
    assert said["done"]["usage"]["total_tokens"] > 50


@pytest.mark.parametrize(
    ("error", "status", "code", "param", "shown"),
    [
        ("wrong_model", 404, "model_not_found", "model", "hibari:heart"),
        ("wrong_voice", 400, "unknown_voice", "voice", "heart"),
        ("too_long", 400, "string_above_max_length", "input", "4096"),
        ("wrong_key", 401, "invalid_api_key", None, "token"),
    ],
)
def test_errors_say_what_is_wrong(
    said: Said, error: str, status: int, code: str, param: str | None, shown: str
) -> None:
    found = said[error]
    assert (found["status_code"], found["code"], found["param"]) == (status, code, param)
    assert shown in found["shown"]
    assert found["request_id"]
