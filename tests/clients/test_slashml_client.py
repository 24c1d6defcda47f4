"""The published client of the SlashML contract, unmodified, against everything in one process."""

import sys
import sysconfig
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


def test_the_published_client_has_a_text_spoken(
    client_python: Callable[..., Path], run_client: Callable[..., dict[str, Any]], url: str
) -> None:
    said = run_client(client_python("slashml==0.1.6"), "slashml_voice.py", url)
    assert said["submitted"][0] in ("IN_PROGRESS", "COMPLETED")
    assert said["submitted"][1] == "stentor"
    assert said["polled"] == "COMPLETED"
    assert said["audio_url"].endswith(".mp3")
    status, kind, size = said["sound"]
    assert (status, kind) == (200, "audio/mpeg")
    assert size > 10_000
    assert said["refused"][0] == "ERROR"
    assert "needs credentials" in said["refused"][1]
    assert said["choices"] == ["google", "aws"]


def test_the_published_client_deploys_a_model_and_calls_it(
    client_python: Callable[..., Path], run_client: Callable[..., dict[str, Any]], url: str, api_token: str
) -> None:
    python = client_python("slashml==0.1.6", "scikit-learn==1.7.2")
    said = run_client(python, "slashml_deploy.py", url, api_token)
    assert said["status"]["status"] == "READY", said["status"]
    assert said["name"] == "My Iris"
    assert said["seen"][0] == "IN_PROGRESS"
    assert said["model_input"] == said["rows"]
    assert said["answer"] == said["expected"]
    assert said["answer"]["predictions"] == [0, 1, 2]
    assert said["refused"]["status"] == "ERROR"
    assert "could not convert string to float" in said["refused"]["reason"]["error"]["message"]
    assert said["second"] == [True, "READY"]


def test_the_published_client_deploys_models_of_torch_and_transformers(
    client_python: Callable[..., Path],
    run_client: Callable[..., dict[str, Any]],
    url: str,
    api_token: str,
    data_folder: Path,
) -> None:
    python = client_python("slashml==0.1.6", "scikit-learn==1.7.2")
    said = run_client(
        python, "slashml_torch.py", url, api_token, sysconfig.get_path("purelib"), data_folder / "models"
    )
    assert said["filler"]["status"] == "READY", str(said["filler"])
    assert said["filled"] == said["expected_filled"]
    assert said["doubler"]["status"] == "READY", str(said["doubler"])
    assert said["doubled"] == [pytest.approx(row, abs=1e-5) for row in said["expected_doubled"]]
