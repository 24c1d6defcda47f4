"""What the examples share: one request makes a pipeline, whose end is waited for with its progress shown."""

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

URL = os.environ.get("STENTOR_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("STENTOR_TOKEN", "none")

Steps = list[dict[str, Any]]


class Stentor:
    def __init__(self) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        self._http = httpx2.Client(base_url=URL, headers=headers, timeout=120)

    def run(self, recording: str, steps: Steps) -> dict[str, Any]:
        """Do the steps with a file, or with what a URL leads to."""
        with ExitStack() as stack:
            if recording.startswith(("http://", "https://")):
                answer = self._http.post("/v1/pipelines", json={"audio_url": recording, "steps": steps})
            else:
                file = stack.enter_context(Path(recording).open("rb"))
                data = {"steps": json.dumps(steps)}
                answer = self._http.post("/v1/pipelines", data=data, files={"file": file})
        return self._finished(answer)

    def again(self, pipeline: dict[str, Any], first: str, steps: Steps) -> dict[str, Any]:
        """Other steps, from one on, with the results of those before it."""
        path = f"/v1/pipelines/{pipeline['id']}/rerun"
        return self._finished(self._http.post(path, json={"from": first, "steps": steps}))

    def save(self, url: str, path: Path) -> None:
        with self._http.stream("GET", url) as answer, path.open("wb") as file:
            answer.raise_for_status()
            for piece in answer.iter_bytes():
                file.write(piece)

    def _finished(self, answer: httpx2.Response) -> dict[str, Any]:
        found = _checked(answer)
        with self._http.stream("GET", f"/v1/pipelines/{found['id']}/events", timeout=None) as events:
            for line in events.iter_lines():
                if line.startswith("data:"):
                    _show(json.loads(line.removeprefix("data:")))
        sys.stderr.write("\n")
        found = _checked(self._http.get(f"/v1/pipelines/{found['id']}"))
        if found["status"] != "completed":
            sys.exit(f"the pipeline is {found['status']}: {(found['error'] or {}).get('message', '')}")
        return found


def _checked(answer: httpx2.Response) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()
    if answer.is_error:
        sys.exit(found["error"]["message"])
    return found


def _show(job: dict[str, Any]) -> None:
    progress = job["progress"]
    if progress:
        sys.stderr.write(f"\r{progress['stage']:<12} {100 * (progress['fraction'] or 0):3.0f} %")
        sys.stderr.flush()
