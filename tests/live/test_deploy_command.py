"""`stentor deploy`: what it sends, and what it says when it cannot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

MODEL = """
class Model:
    def predict(self, model_input):
        return [2 * each for each in model_input]
"""


BROKEN = """
class Model:
    def load(self):
        raise OSError("no weights")
    def predict(self, model_input): ...
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    environment = {**os.environ, "STENTOR_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        yield started.stdout.readline().strip()
        started.terminate()


@pytest.fixture(scope="module")
def token(server: str) -> str:
    account = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    httpx2.post(f"{server}/v1/users", json=account).raise_for_status()
    signing = {"username": "ada", "password": account["password"]}
    answer = httpx2.post(f"{server}/v1/token", json=signing)
    return str(answer.json()["access_token"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model, with what is not to be sent."""
    folder = tmp_path / "Doubling Model"
    (folder / "model" / "__pycache__").mkdir(parents=True)
    (folder / "model" / "model.py").write_text(MODEL)
    (folder / "model" / "__pycache__" / "model.pyc").write_text("nothing")
    return folder


def deploy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "stentor_allinone.main", "deploy", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False, text=True)


def test_a_folder_is_deployed_and_another_time_becomes_a_revision(
    folder: Path, server: str, token: str
) -> None:
    known = ("--server", server, "--token", token)
    done = deploy(folder, *known, "--examples", "[[1], [2]]")
    url = f"{server}/v1/deployments/doubling-model/predict"
    assert done.stdout == f"revision 1 of doubling-model is ready: POST {url}\n", done.stderr
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx2.post(url, headers=headers, json=[4]).json() == [8]
    again = deploy(folder, *known, "--name", "doubling-model")
    assert again.stdout.startswith("revision 2 of doubling-model is ready"), again.stderr


def test_a_build_that_fails_ends_the_command_with_the_reason(folder: Path, server: str, token: str) -> None:
    (folder / "model" / "model.py").write_text(BROKEN)
    done = deploy(folder, "--name", "broken", "--server", server, "--token", token)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "load_failed" in done.stderr
    assert "no weights" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--token or STENTOR_TOKEN"),
        (["--token", "x", "--examples", "{"], "JSON list"),
        (["--token", "x", "--server", "http://127.0.0.1:9"], "no Stentor answers at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder: Path, arguments: list[str], said: str) -> None:
    done = deploy(folder, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
