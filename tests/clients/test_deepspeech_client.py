"""Programs that speak as the clients of the DeepSpeech REST API do, against everything in one process."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPEECH = Path(__file__).parents[1] / "speech" / "sense-0880.wav"
SAID = "he was not an ill disposed young man"

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]


def test_a_file_is_transcribed_by_form_and_by_socket(
    client_python: Callable[..., Path], run_client: Callable[..., dict[str, Any]], url: str
) -> None:
    python = client_python("websocket-client==1.8.0", "requests==2.32.3")
    said = run_client(python, "deepspeech_calls.py", url, SPEECH)
    assert said["registered"] == "User forrestgump is successfully created."
    for way in ("by_form", "plainly", "with_words"):
        assert {*said[way]} == {"message", "time"}
        assert said[way]["message"].startswith(SAID)
        assert said[way]["time"] > 0
    assert said["ended"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_the_same_by_hand(url: str) -> None:
    account = {"username": "curly", "email": "curly@yourdomain.com", "password": "yourpassword"}
    registered = curl(f"{url}/users", "-H", "Content-Type: application/json", "-d", json.dumps(account))
    assert registered["message"] == "User curly is successfully created."
    token = curl(f"{url}/token", "-H", "Content-Type: application/json", "-d", json.dumps(account))
    bearer = f"Authorization: Bearer {token['access_token']}"
    words = ("-F", "paris=-1000", "-F", "young=1000", "-F", "parents=-1000")
    said = curl(f"{url}/api/v1/stt/http", "-H", bearer, "-F", f"audio=@{SPEECH}", *words)
    assert said["message"].startswith(SAID)


def curl(url: str, *arguments: str) -> dict[str, Any]:
    command = ["curl", "-sS", "-X", "POST", url, *arguments]
    ran = subprocess.run(command, capture_output=True, check=True, timeout=300)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found
