"""The published client of the SlashML contract, unmodified, against everything in one process."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.fixture(scope="module")
def client_python() -> Path:
    """An environment with the client and the old libraries it pins; made once."""
    folder = ROOT / ".cache" / "clients" / "slashml-0.1.6"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "slashml==0.1.6"], check=True)
        (folder / "ready").touch()
    return python


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {
        **os.environ,
        "STENTOR_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "STENTOR_STT_PROVIDER_ALIASES": '{"assembly": "whisper"}',
    }
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


def test_the_published_client_uploads_submits_polls_and_executes(client_python: Path, url: str) -> None:
    script = Path(__file__).with_name("slashml_speech.py")
    ran = subprocess.run(
        [client_python, script, url, SPEECH], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr

    said = json.loads(ran.stdout.splitlines()[-1])
    assert said["submitted"] == "IN_PROGRESS"
    assert said["polled"] in ("IN_PROGRESS", "COMPLETED")
    assert said["text"] == said["transcription"]
    assert "disposed young man" in said["text"]
    assert " ".join(said["words"]).startswith("He was not")
    assert 1_000 < said["last_end_ms"] < 4_000
    assert said["failed"] == "ERROR"
    assert said["choices"] == ["assembly", "aws", "whisper", "deepgram", "google", "rev"]
