"""Calls to a deployed model: the whole product (HTTP, credentials, log, metrics, sandbox) against other
servers that do nothing but serve the same model, turn by turn, with the same client.

`python benchmarks/serving.py [name …]` measures those alone and prints; `STENTOR_BENCH_SECONDS` and
`STENTOR_BENCH_ROUNDS` say how long. The client is wrk, a package of most systems.
"""

import io
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil
from servers import all_in_one, signed_up
from serving_rivals import MODEL_NEEDS, ONE_THREAD, RIVALS, ROW, environment, running

CLIENTS = (1, 16, 64)
SECONDS = int(os.environ.get("STENTOR_BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("STENTOR_BENCH_ROUNDS", "3"))
WARM_UP_SECONDS = 2
START_SECONDS = 120
IDLE_SECONDS = 2

MODEL = """
import os, joblib

class Model:
    def __init__(self, data_dir):
        self._folder = data_dir

    def load(self):
        self._model = joblib.load(self._folder / "model.joblib")

    def predict(self, rows):
        return self._model.predict(rows).tolist()
"""
TRAIN = """
import sys, joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

model = make_pipeline(StandardScaler(), LogisticRegression())
joblib.dump(model.fit(*load_iris(return_X_y=True)), sys.argv[1])
"""
LUA = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
{headers}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """Where calls go, and what they say."""

    url: str
    body: object
    headers: Mapping[str, str]
    pid: int


def serving(names: Sequence[str] = ()) -> dict[str, Any]:
    if not shutil.which("wrk"):
        return {"skipped": "wrk, the client, is not installed"}
    with tempfile.TemporaryDirectory(prefix="stentor-bench-") as name:
        folder = Path(name)
        model = trained(folder)
        contestants = _contestants(model, folder)
        chosen = {each: contestants[each] for each in names or contestants}
        rounds: dict[str, list[dict[str, Any]]] = {each: [] for each in chosen}
        for number in range(ROUNDS):
            # Turned round each time: whoever is first meets a machine that has rested.
            for each, start in list(chosen.items())[:: 1 if number % 2 == 0 else -1]:
                with start() as target:
                    rounds[each].append(_measured(target))
                print(f"round {number + 1}, {each}: {json.dumps(rounds[each][-1])}", flush=True)
        found: dict[str, Any] = {each: _middle(results) for each, results in rounds.items()}
        if any(each.startswith("stentor") for each in chosen):
            found["stentor-times"] = _times(model, folder)
    return found


def trained(folder: Path) -> Path:
    path = folder / "model.joblib"
    python = environment("training", MODEL_NEEDS) / "bin" / "python"
    subprocess.run([str(python), "-c", TRAIN, str(path)], check=True)
    return path


def package(model: Path, *, batched: bool) -> bytes:
    """The model as an archive that is deployed; with examples it proves that its inputs may be joined."""
    config = {"model_name": "iris", "requirements": list(MODEL_NEEDS)}
    files = {"config.yaml": json.dumps(config), "model/model.py": MODEL, "model/__init__.py": ""}
    if batched:
        rows = [ROW[n:] + ROW[:n] for n in range(3)]
        files["examples.yaml"] = json.dumps([{"name": str(row), "input": [row]} for row in rows])
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(text.encode()), int(time.time())
            tar.addfile(entry, io.BytesIO(text.encode()))
        tar.add(model, "data/model.joblib")
    return made.getvalue()


def _contestants(model: Path, folder: Path) -> dict[str, Callable[[], Any]]:
    rivals = {name: lambda name=name: _rival(name, model, folder) for name in RIVALS}
    return {
        "stentor": lambda: _stentor(model, batched=False),
        "stentor-batched": lambda: _stentor(model, batched=True),
        **rivals,
    }


@contextmanager
def _rival(name: str, model: Path, folder: Path) -> Iterator[Target]:
    rival, port = RIVALS[name], _free_port()
    with running(rival, name, model, folder, port) as pid:
        target = Target(f"http://127.0.0.1:{port}{rival.path}", rival.body, {}, pid)
        _wait_for(target)
        yield target


@contextmanager
def _stentor(model: Path, *, batched: bool, **settings: str) -> Iterator[Target]:
    with all_in_one({**ONE_THREAD, **settings}) as server:
        headers = signed_up(server.url)
        deployed(server.url, headers, package(model, batched=batched))
        target = Target(f"{server.url}/v1/deployments/iris/predict", [ROW], headers, server.pid)
        _wait_for(target)
        yield target


def deployed(url: str, headers: Mapping[str, str], archive: bytes) -> float:
    """Upload a package and wait until it can be called; gives the seconds that took."""
    started = time.perf_counter()
    with httpx2.Client(base_url=url, headers=dict(headers), timeout=60) as client:
        sent = client.post(
            "/v1/deployments", data={"name": "iris"}, files={"archive": ("iris.tar.gz", archive)}
        )
        sent.raise_for_status()
        while True:
            latest = client.get("/v1/deployments/iris").json()["latest"]
            if latest["status"] == "ready":
                return time.perf_counter() - started
            if latest["status"] not in ("queued", "building", "loading"):
                raise RuntimeError(json.dumps(latest))
            time.sleep(0.02)


def _measured(target: Target) -> dict[str, Any]:
    _load(target, clients=16, seconds=WARM_UP_SECONDS)
    return {str(clients): _load(target, clients, SECONDS) for clients in CLIENTS} | {
        "memory_mib": _memory(target.pid)
    }


def _load(target: Target, clients: int, seconds: int) -> dict[str, float]:
    headers = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in target.headers.items())
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(LUA.format(body=json.dumps(target.body), headers=headers))
        script.flush()
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", script.name, target.url]
        before = _worked(target.pid)
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        worked = _worked(target.pid) - before
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    return {
        "per_second": float(_found(r"Requests/sec:\s+([\d.]+)", told)),
        "p50_ms": _milliseconds(_found(r"\n +50% +(\S+)", told)),
        "p99_ms": _milliseconds(_found(r"\n +99% +(\S+)", told)),
        "processor_us": round(worked * 1e6 / max(1, int(_found(r"(\d+) requests in", told)))),
        "not_answered": int(bad[1]) if bad else 0,
    }


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return round(float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit], 2)


def _middle(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The median of the rounds of each figure."""
    middle: dict[str, Any] = {
        str(clients): {
            name: statistics.median(result[str(clients)][name] for result in results)
            for name in results[0][str(clients)]
        }
        for clients in CLIENTS
    }
    return middle | {"memory_mib": statistics.median(result["memory_mib"] for result in results)}


def _times(model: Path, folder: Path) -> dict[str, float]:
    """From upload to ready, without and with the packages it needs here already; waking; memory at rest."""
    idle = {"STENTOR_DEPLOY_IDLE_SECONDS": str(IDLE_SECONDS), "STENTOR_DATA_DIR": str(folder / "data")}
    with all_in_one({**ONE_THREAD, **idle}) as server:
        headers = signed_up(server.url)
        before = _memory(server.pid)
        archive = package(model, batched=False)
        first = deployed(server.url, headers, archive)
        with httpx2.Client(base_url=server.url, headers=headers, timeout=60) as client:
            call = _timed(lambda: client.post("/v1/deployments/iris/predict", json=[ROW]).raise_for_status())
            awake = _memory(server.pid)
            wakes = []
            for _ in range(5):
                while client.get("/v1/deployments/iris").json()["status"] != "idle":
                    time.sleep(0.1)
                wakes.append(
                    _timed(lambda: client.post("/v1/deployments/iris/predict", json=[ROW]).raise_for_status())
                )
            client.delete("/v1/deployments/iris").raise_for_status()
        again = deployed(server.url, headers, archive)
    return {
        "upload_to_ready_s": round(first, 2),
        "upload_to_ready_again_s": round(again, 2),
        "first_call_s": round(call, 3),
        "wake_s": round(statistics.median(wakes), 3),
        "memory_before_mib": before,
        "memory_with_a_model_awake_mib": awake,
    }


def _timed(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def _memory(pid: int) -> float:
    """Of a process and its children in MiB, what they share counted once."""
    return round(_sum(pid, lambda process: process.memory_full_info().pss) / 1024**2, 1)


def _worked(pid: int) -> float:
    """Seconds of a processor that a process and its children have had."""
    return _sum(pid, lambda process: sum(process.cpu_times()[:2]))


def _sum(pid: int, figure: Callable[[psutil.Process], float]) -> float:
    found, total = psutil.Process(pid), 0.0
    for process in (found, *found.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += figure(process)
    return total


def _wait_for(target: Target) -> None:
    """Until it answers a call as it should."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answer = httpx2.post(target.url, json=target.body, headers=dict(target.headers), timeout=60)
            if answer.status_code == httpx2.codes.OK:
                return
            said = answer.text
        except httpx2.HTTPError as error:
            said = repr(error)
        if time.monotonic() > deadline:
            raise RuntimeError(f"{target.url} does not answer: {said}")
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


if __name__ == "__main__":
    print(json.dumps(serving(sys.argv[1:]), indent=2))
