"""Published clients in environments of their own, and everything in one process for them to speak to."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]

ClientPython = Callable[..., Path]
RunClient = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def client_python() -> ClientPython:
    """Makes an environment with the packages named, each with its version: `client_python("name==1.0")`.
    It is kept for later runs. Returns its Python."""

    def made(*pins: str) -> Path:
        name = f"{pins[0].replace('==', '-')}-{sha256(' '.join(pins).encode()).hexdigest()[:8]}"
        folder = ROOT / ".cache" / "clients" / name
        folder.mkdir(parents=True, exist_ok=True)
        python = folder / "bin" / "python"
        with (folder.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "ready").exists():
                subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
                subprocess.run([python, "-m", "pip", "install", "-q", *pins], check=True)
                (folder / "ready").touch()
        return python

    return made


@pytest.fixture(scope="session")
def run_client(tmp_path_factory: pytest.TempPathFactory) -> RunClient:
    """Runs a script beside the tests with an environment's Python, in a folder of its own; returns the object
    that it writes as JSON on its last line."""

    def ran(python: Path, script: str, *arguments: object, **variables: str) -> dict[str, Any]:
        command = [str(python), str(Path(__file__).with_name(script)), *map(str, arguments)]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=tmp_path_factory.mktemp("client"),
            env={**os.environ, **variables},
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    return ran


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the product keeps."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def url(data_folder: Path) -> Iterator[str]:
    """The product with its real model, for a client without a token."""
    environment = {
        **os.environ,
        "STENTOR_DATA_DIR": str(data_folder),
        "STENTOR_STT_PROVIDER_ALIASES": '{"assembly": "whisper"}',
        "STENTOR_TTS_PROVIDER_ALIASES": '{"google": "stentor"}',
        "STENTOR_SUMMARIZE_PROVIDER_ALIASES": '{"openai": "hugging-face"}',
        # Webhooks go to servers that tests run on this machine, and inputs come from there.
        "STENTOR_WEBHOOK_ALLOWED": '["127.0.0.0/8"]',
        "STENTOR_DEPLOY_FETCH_ALLOWED": '["127.0.0.0/8"]',
    }
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
        server.terminate()


@pytest.fixture(scope="session")
def api_token(url: str) -> str:
    """Of an account that this makes, for clients that cannot do without one."""
    account = {"username": "client", "email": "client@example.com", "password": "a long password"}
    with httpx2.Client(base_url=url) as http:
        http.post("/v1/users", json=account).raise_for_status()
        signed_in = http.post("/v1/token", json={"username": "client", "password": account["password"]})
        headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        made = http.post("/v1/tokens", json={"name": "tests"}, headers=headers)
    return str(made.json()["token"])
