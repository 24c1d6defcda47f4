"""The examples, as a reader of them would run them, against everything in one process."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SPEECH = ROOT / "tests" / "speech" / "sense-0880.wav"

pytestmark = [pytest.mark.live, pytest.mark.models, pytest.mark.timeout(600)]


def run(python: Path | str, example: str, url: str, *arguments: Path | str) -> str:
    """What it prints."""
    return subprocess.run(
        [python, EXAMPLES / example, *arguments],
        env={**os.environ, "STENTOR_URL": url},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_speech_is_summarized(url: str) -> None:
    printed = run(sys.executable, "speech_summarizer.py", url, SPEECH, "1")
    assert printed.count("disposed young man") == 2


def test_an_episode_gets_notes_and_a_trailer(url: str, tmp_path: Path) -> None:
    run(sys.executable, "podcast.py", url, SPEECH, tmp_path)
    assert "disposed young man" in (tmp_path / "transcript.txt").read_text()
    assert (tmp_path / "notes.txt").read_text().startswith("- ")
    assert "disposed young man" in (tmp_path / "headline.txt").read_text()
    assert (tmp_path / "trailer.mp3").stat().st_size > 5_000


@pytest.mark.skipif(
    sys.version_info >= (3, 12), reason="the client pins libraries that have no build for this Python"
)
def test_the_summarizer_of_the_documents_runs_with_the_published_client(
    client_python: Callable[..., Path], url: str
) -> None:
    printed = run(client_python("slashml==0.1.6"), "slashml_speech_summarizer.py", url, SPEECH)
    assert "Transcribed Text = He was not an ill" in printed
    assert "Summarized Text = He was not an ill" in printed


def test_what_is_refused_ends_an_example_with_the_reason(url: str, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(b"")
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(sys.executable, "speech_summarizer.py", url, nothing)
    assert "the file is empty" in raised.value.stderr
