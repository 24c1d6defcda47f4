"""Stentor as a process, for measuring; and a user of it whom no limit stops."""

import json
import os
import subprocess
import sys
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    pid: int


@contextmanager
def all_in_one(settings: Mapping[str, str]) -> Iterator[Running]:
    """Everything in one process on a free port."""
    environment = {**os.environ, **settings}
    command = [sys.executable, "-m", "stentor_allinone.private"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        try:
            yield Running(url, server.pid)
        finally:
            server.terminate()


def nothing_doing(folder: Path) -> dict[str, str]:
    """Settings with an engine that says two words whatever it hears, at once."""
    script = folder / "script.json"
    script.write_text(json.dumps({"texts": ["hello there"]}))
    return {"STENTOR_STT_ENGINE": "scripted", "STENTOR_STT_MODELS": json.dumps([str(script)])}


def signed_up(url: str) -> dict[str, str]:
    """Headers of a new user with an API token."""
    user = {"username": "bench", "email": "bench@example.org", "password": "a long enough one"}
    with httpx2.Client(base_url=url, timeout=30) as client:
        client.post("/v1/users", json=user).raise_for_status()
        signed_in = client.post(
            "/v1/token", json={"username": user["username"], "password": user["password"]}
        )
        access = {"Authorization": f"Bearer {signed_in.json()['access_token']}"}
        token = client.post("/v1/tokens", json={"name": "bench"}, headers=access).json()["token"]
    return {"Authorization": f"Bearer {token}"}


def uploaded(url: str, headers: Mapping[str, str], path: Path) -> str:
    """The id of a file that was sent."""
    with httpx2.Client(base_url=url, timeout=60, headers=dict(headers)) as client, path.open("rb") as file:
        answer = client.post("/v1/uploads", files={"file": (path.name, file)})
        return str(answer.raise_for_status().json()["id"])


def short_sound(path: Path) -> Path:
    """A tenth of a second of something."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x10\x10" * 1_600)
    return path
