"""`stentor transcribe --live` and `stentor listen`: what they show, and what they say when they cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stentor_common.testing import sound

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SAID = "Hello world. How are you?"
NO_MICROPHONE = (
    "import sys; sys.modules['sounddevice'] = None; sys.argv = ['stentor', 'listen']; "
    "from stentor_allinone.main import main; main()"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one whose engine has a script."""
    folder = tmp_path_factory.mktemp("server")
    script = folder / "script.json"
    script.write_text(json.dumps({"texts": ["Hello world.", "How are you?"]}))
    environment = {
        **os.environ,
        "STENTOR_DATA_DIR": str(folder / "data"),
        "STENTOR_STT_ENGINE": "scripted",
        "STENTOR_STT_MODELS": json.dumps([str(script)]),
    }
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started.stdout.readline().strip()
        started.terminate()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "speech.wav"
    path.write_bytes(sound(1))
    return path


def stentor(*arguments: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "stentor_allinone.main", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False)


@pytest.mark.parametrize("pace", [["--fast"], []])
def test_a_file_is_shown_as_it_is_heard(recording: Path, server: str, pace: list[str]) -> None:
    output = recording.with_name("said.txt")
    done = stentor("transcribe", "--live", *pace, recording, "-o", output, "--server", server)
    assert (done.returncode, done.stdout.decode()) == (0, f"{SAID}\n"), done.stderr.decode()
    assert output.read_text() == SAID


def test_sound_may_come_through_a_pipe(server: str) -> None:
    # The last byte is half a sample.
    done = stentor("listen", "--stdin", "--server", server, stdin=b"\x00\x40" * 16_001 + b"\x00")
    assert (done.returncode, done.stdout.decode()) == (0, f"{SAID}\n"), done.stderr.decode()


def test_what_the_server_refuses_is_told_in_a_sentence(recording: Path, server: str) -> None:
    done = stentor("transcribe", "--live", recording, "--language", "ja", "--server", server)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("stentor: language 'ja' is not known")


def test_a_file_without_sound_is_told_in_a_sentence(recording: Path, server: str) -> None:
    recording.write_text("no sound at all")
    done = stentor("transcribe", "--live", recording, "--server", server)
    assert done.returncode == 1
    assert "speech.wav holds no sound that can be read" in done.stderr.decode()


def test_no_server_is_told_in_a_sentence(recording: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = stentor("transcribe", "--live", recording, "--server", nowhere)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"stentor: no Stentor answers at {nowhere}")


def test_without_a_microphone_library_the_other_ways_are_named() -> None:
    done = subprocess.run([sys.executable, "-c", NO_MICROPHONE], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'stentor[mic]'" in done.stderr
    assert "stentor listen --stdin" in done.stderr
