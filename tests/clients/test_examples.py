"""The examples, as a reader of them would run them, against everything in one process."""

import ast
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


def run(python: Path | str, example: str, url: str, *arguments: Path | str, token: str = "") -> str:
    """What it prints."""
    return subprocess.run(
        [python, EXAMPLES / example, *arguments],
        env={**os.environ, "STENTOR_URL": url, "STENTOR_TOKEN": token or "none"},
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


def test_plain_python_is_deployed_and_streams(url: str, api_token: str) -> None:
    printed = run(sys.executable, "deploy/word_counter.py", url, token=api_token)
    assert printed.splitlines()[-1].split() == ["be", "2"]


def test_a_classifier_of_scikit_learn_is_deployed(url: str, api_token: str) -> None:
    printed = run(sys.executable, "deploy/sklearn_iris.py", url, token=api_token)
    assert "'predictions': [0, 1, 2]" in printed


def test_a_graph_of_onnx_is_deployed(url: str, api_token: str) -> None:
    printed = run(sys.executable, "deploy/onnx_graph.py", url, token=api_token)
    assert "[[11.0, 22.0], [33.0, 44.0]]" in printed


def test_a_module_of_torch_answers_there_as_here(url: str, api_token: str) -> None:
    here, there = run(sys.executable, "deploy/torch_module.py", url, token=api_token).splitlines()
    expected = ast.literal_eval(here.removeprefix("here:").strip())
    found = ast.literal_eval(there.removeprefix("there:").strip())
    assert found == [pytest.approx(row, abs=1e-5) for row in expected]


def test_pipelines_of_transformers_are_deployed(url: str, api_token: str) -> None:
    tasks = ("text-classification", "automatic-speech-recognition")
    printed = run(sys.executable, "deploy/transformers_pipelines.py", url, *tasks, token=api_token)
    assert [line.split()[0] for line in printed.splitlines()] == list(tasks)


def test_who_has_no_account_is_told_how_to_deploy(url: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        run(sys.executable, "deploy/word_counter.py", url)
    assert "register at POST /v1/users" in raised.value.stderr
