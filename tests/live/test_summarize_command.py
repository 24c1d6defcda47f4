"""`stentor summarize`: what it writes, and what it says when it cannot."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one whose engine picks the first words, as many as are wanted."""
    folder = tmp_path_factory.mktemp("server")
    script = folder / "script.json"
    script.write_text(json.dumps({"kind": "extractive"}))
    environment = {
        **os.environ,
        "STENTOR_DATA_DIR": str(folder / "data"),
        "STENTOR_SUMMARIZE_MODELS": json.dumps([f"scripted:{script}"]),
    }
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started.stdout.readline().strip()
        started.terminate()


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "notes.md"
    path.write_text(f"*{TEXT}*")
    return path


def summarize(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stentor_allinone.main", "summarize", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, text=True)


def test_a_document_is_summarized(document: Path, server: str) -> None:
    done = summarize(document, "--length", '{"words": 5}', "--server", server)
    assert (done.returncode, done.stdout) == (0, "The tide table hung beside\n"), done.stderr


def test_a_text_may_come_through_a_pipe(server: str) -> None:
    done = summarize("-", "--length", '{"words": 5}', "--server", server, stdin=TEXT)
    assert (done.returncode, done.stdout) == (0, "The tide table hung beside\n"), done.stderr


def test_everything_that_is_known_can_be_had(document: Path, server: str) -> None:
    output = document.with_name("summary.json")
    done = summarize(document, "--format", "json", "--style", "headline", "-o", output, "--server", server)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = json.loads(output.read_text())
    assert (found["style"], found["source"]["form"]) == ("headline", "markdown")


@pytest.mark.parametrize(
    ("name", "content", "options", "said"),
    [
        ("scan.pdf", b"\x89PNG\r\n\x1a\n", [], "a picture"),
        ("notes.txt", b"words", ["--style", "sonnet"], "style"),
        ("notes.txt", b"words", ["--length", "endless"], "short, medium, long"),
    ],
)
def test_what_is_refused_is_said_in_one_line(
    tmp_path: Path, server: str, name: str, content: bytes, options: list[str], said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    done = summarize(path, *options, "--server", server)
    assert done.returncode == 1
    (line,) = done.stderr.split("\n")[-2:-1]
    assert line.startswith("stentor: ")
    assert said in line


def test_a_file_that_is_not_there_is_told_in_a_sentence() -> None:
    done = summarize("nothing.txt")
    assert (done.returncode, done.stderr) == (1, "stentor: there is no file nothing.txt\n")
