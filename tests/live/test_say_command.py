"""`stentor say`: what it writes, and what it says when it cannot."""

import io
import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

NO_LOUDSPEAKER = (
    "import sys; sys.modules['sounddevice'] = None; sys.argv = ['stentor', 'say', 'Hello.']; "
    "from stentor_allinone.main import main; main()"
)
A_LOUDSPEAKER = """
import sys, types

class Stream:
    def __init__(self, **wanted):
        assert wanted == {"samplerate": 24000, "channels": 1, "dtype": "int16"}, wanted
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def write(self, samples):
        assert len(samples) % 2 == 0
        sys.stdout.write(f"{len(samples)}\\n")

sys.modules["sounddevice"] = types.SimpleNamespace(RawOutputStream=Stream, PortAudioError=OSError)
sys.argv = ["stentor", "say", "Hello world.", "--server", sys.argv[1]]
from stentor_allinone.main import main
main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one whose voice says tones."""
    environment = {
        **os.environ,
        "STENTOR_DATA_DIR": str(tmp_path_factory.mktemp("server")),
        "STENTOR_TTS_VOICES": json.dumps(["scripted:any#high", "scripted:any#low"]),
    }
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started.stdout.readline().strip()
        started.terminate()


def stentor(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stentor_allinone.main", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("ending", ["mp3", "opus"])
def test_the_name_of_the_file_says_its_kind(server: str, tmp_path: Path, ending: str) -> None:
    output = tmp_path / f"speech.{ending}"
    done = stentor("say", "Hello world.", "-o", output, "--voice", "low", "--server", server)
    assert done.returncode == 0, done.stderr
    with av.open(io.BytesIO(output.read_bytes()), "r") as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) > 500


def test_a_text_may_come_through_a_pipe(server: str, tmp_path: Path) -> None:
    short, long = tmp_path / "short.pcm", tmp_path / "long.pcm"
    assert stentor("say", "Hello.", "-o", short, "--server", server).returncode == 0
    assert stentor("say", "-", "-o", long, "--server", server, stdin="Hello. " * 5).returncode == 0
    assert long.stat().st_size > 3 * short.stat().st_size


def test_without_a_file_it_is_played(server: str) -> None:
    command = [sys.executable, "-c", A_LOUDSPEAKER, server]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(map(int, done.stdout.split())) > 5_000


def test_without_a_library_for_loudspeakers_the_other_way_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", NO_LOUDSPEAKER], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'stentor[mic]'" in done.stderr
    assert "-o speech.mp3" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["?!"], "there is nothing to say"),
        (["Hello.", "--voice", "homer"], "there is no voice 'homer'; there are high, low"),
    ],
)
def test_what_the_server_refuses_is_told_in_a_sentence_and_leaves_no_file(
    server: str, tmp_path: Path, arguments: list[str], said: str
) -> None:
    done = stentor("say", *arguments, "-o", tmp_path / "speech.mp3", "--server", server)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_no_known_kind_is_told_before_anything_is_done(tmp_path: Path) -> None:
    done = stentor("say", "Hello.", "-o", tmp_path / "speech.txt", "--server", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "speech.txt does not end like a file of sound: use one of .mp3, .wav" in done.stderr


def test_no_server_is_told_in_a_sentence(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = stentor("say", "Hello.", "-o", tmp_path / "speech.mp3", "--server", nowhere)
    assert done.returncode == 1
    assert done.stderr.startswith(f"stentor: no Stentor answers at {nowhere}")


def test_a_wav_file_of_a_stream_can_be_read(server: str, tmp_path: Path) -> None:
    output = tmp_path / "speech.wav"
    assert stentor("say", "Hello.", "-o", output, "--server", server).returncode == 0
    with wave.open(str(output)) as file:
        assert file.getframerate() == 8000
