"""What the examples of deployment share: three requests of plain HTTP."""

import json
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx2

URL = os.environ.get("STENTOR_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("STENTOR_TOKEN", "none")
BUILT = {"ready", "idle", "waking"}
FAILED = {"build_failed", "load_failed", "stopped", "needs_secrets", "unhealthy"}

http = httpx2.Client(base_url=URL, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=300)


def deploy(name: str, archive: bytes, **fields: str) -> dict[str, Any]:
    """Upload a package and wait until it can be called. One that has the name already gets a new revision."""
    package = {"archive": ("package.tar.gz", archive, "application/gzip")}
    path = f"/v1/deployments/{name}"
    if http.get(path).is_success:
        path += "/revisions"
    else:
        fields["name"], path = name, "/v1/deployments"
    checked(http.post(path, data=fields, files=package))
    return wait(name)


def wait(name: str) -> dict[str, Any]:
    """The newest revision, once it is built."""
    told = ""
    while True:
        revision: dict[str, Any] = checked(http.get(f"/v1/deployments/{name}"))["latest"]
        if revision["status"] != told:
            told = revision["status"]
            sys.stderr.write(f"{name}: {told}\n")
        if told in BUILT:
            return revision
        if told in FAILED:
            sys.exit(revision["reason"]["message"])
        time.sleep(0.2)


def predict(name: str, value: Any) -> Any:
    """What the model answers to a value: bytes go as they are, everything else as JSON."""
    path = f"/v1/deployments/{name}/predict"
    if isinstance(value, bytes):
        kind = {"Content-Type": "application/octet-stream"}
        return checked(http.post(path, content=value, headers=kind))
    return checked(http.post(path, json=value))


def stream(name: str, value: Any) -> Iterator[Any]:
    """The parts of an answer, as the model makes them."""
    path, kind = f"/v1/deployments/{name}/predict", {"Accept": "text/event-stream"}
    with http.stream("POST", path, json=value, headers=kind) as answer:
        for line in answer.iter_lines():
            part = line.removeprefix("data:").strip()
            if line.startswith("data:") and part != "[DONE]":
                yield json.loads(part)


def checked(answer: httpx2.Response) -> Any:
    if answer.is_error:
        sys.exit(f"{answer.status_code}: {answer.text}")
    return answer.json()
