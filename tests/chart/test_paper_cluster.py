"""The rendered chart runs: its words and variables, as processes behind a proxy made from its Ingress."""

import asyncio
import base64
import io
import json
import os
import secrets
import subprocess
import sys
import tarfile
import threading
import time
import uuid
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from websockets.sync.client import connect

from stentor_dev import helm
from stentor_dev.cluster.pods import Node
from stentor_dev.cluster.server import LocalCluster
from stentor_dev.paper import Given, PaperCluster
from stentor_dev.servers import Servers

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

T = TypeVar("T")
API, WORKER = "stentor-stt", "stentor-worker-whisper"
KUBECTL = """#!/bin/sh
# `exec -i DEPLOYMENT -- COMMAND` runs the command here.
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


def signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def values(script: Path, **settings: Any) -> dict[str, Any]:
    """Speech to text by a script, twice of everything that matters, and models of users; `settings` are of
    speech to text."""
    return {
        "secrets": {"existing": "servers"},
        "drainSeconds": 1,
        "settings": {
            "STENTOR_LEASE_SECONDS": 3,
            "STENTOR_HEARTBEAT_SECONDS": 0.3,
            "STENTOR_SWEEP_SECONDS": 0.3,
            "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": 0,
            "STENTOR_STT_ENGINE": "scripted",
        },
        "services": {
            "auth": {"replicas": 1},
            "stt": {"models": [str(script)], "settings": settings},
            "tts": {"enabled": False},
            "summarize": {"enabled": False},
            "pipelines": {"enabled": False},
            "deploy": {"replicas": 1},
        },
        "pools": {
            "whisper": {"replicas": 2, "shutdownSeconds": 5, "settings": {"STENTOR_STT_JOBS_AT_ONCE": 2}}
        },
    }


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("paper") / "script.json"
    path.write_text(json.dumps({"texts": ["Hello world."], "seconds_per_audio_second": 0.3}))
    return path


@pytest.fixture(scope="module")
def objects(script: Path) -> list[dict[str, Any]]:
    return helm.render(values=values(script))


@pytest.fixture(scope="module")
def api_server(objects: list[dict[str, Any]]) -> Iterator[LocalCluster]:
    """Runs pods of models, and allows what the chart's Role does."""
    (role,) = [each for each in objects if each["kind"] == "Role"]
    rules = [(resource, rule) for rule in role["rules"] for resource in rule["resources"]]
    allowed = {resource: set(rule["verbs"]) for resource, rule in rules}
    node = Node({"ghcr.io/stentor/stentor-deploy:0.1.0"})
    with asyncio.Runner() as runner:
        made = LocalCluster(role["metadata"]["namespace"], allowed, node)
        runner.run(made.__aenter__())
        turning = threading.Thread(target=runner.get_loop().run_forever)
        turning.start()
        yield made
        runner.get_loop().call_soon_threadsafe(runner.get_loop().stop)
        turning.join()
        runner.run(made.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def kubeconfig(api_server: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("credentials") / "config"
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "paper", "cluster": {"server": api_server.url}}],
        "users": [{"name": "deploy", "user": {"token": api_server.token}}],
        "contexts": [{"name": "paper", "context": {"cluster": "paper", "user": "deploy"}}],
        "current-context": "paper",
    }
    path.write_text(json.dumps(told))
    return path


@pytest.fixture(scope="module")
def cluster(
    servers: Servers,
    objects: list[dict[str, Any]],
    kubeconfig: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PaperCluster]:
    secret = {
        "database-url": servers.database_url(),
        "queue-url": servers.queue_url(),
        "store-url": servers.store_url(),
        "secret-key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "signing-key": signing_key(),
    }
    given = Given(secret, kubeconfig)
    with PaperCluster(tmp_path_factory.mktemp("cluster"), objects, given) as started:
        eventually(
            lambda: all(pod.answers("readinessProbe") for pods in started.pods.values() for pod in pods)
        )
        yield started


@pytest.fixture
def client(cluster: PaperCluster) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=cluster.url, timeout=30) as opened:
        yield opened


def eventually(look: Callable[[], T], *, seconds: float = 60) -> T:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds: {found!r}"
        time.sleep(0.1)
    return found


def sound(seconds: float) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\x00\x40\x00\xc0" * int(8_000 * seconds))
    return written.getvalue()


def submit(client: httpx2.Client, seconds: float = 1) -> str:
    answer = client.post("/v1/transcriptions", files={"file": ("a.wav", sound(seconds))})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def state(client: httpx2.Client, job_id: str) -> str:
    return str(client.get(f"/v1/jobs/{job_id}").json()["status"])


def test_a_user_signs_in_and_has_a_recording_heard(client: httpx2.Client) -> None:
    person = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    assert client.post("/v1/users", json=person).status_code == 201
    signed_in = client.post("/v1/token", data={"username": "ada", "password": person["password"]})
    headers = {"Authorization": f"Bearer {signed_in.json()['access_token']}", "Prefer": "wait=30"}
    answer = client.post("/v1/transcriptions", files={"file": ("a.wav", sound(1))}, headers=headers)
    assert (answer.status_code, answer.json()["text"]) == (200, "Hello world.")
    listed = client.get("/v1/transcriptions", headers=headers).json()["data"]
    assert [each["id"] for each in listed] == [answer.json()["id"]]


def test_a_live_session_goes_through_the_ingress_to_a_worker(cluster: PaperCluster) -> None:
    address = cluster.url.replace("http", "ws", 1) + "/v1/transcriptions/live"
    with connect(address) as session:
        session.send("{}")
        assert json.loads(session.recv(timeout=30))["type"] == "ready"
        session.send(b"\x00\x40\x00\xc0" * 8_000)
        session.send('{"type": "finish"}')
        told = [json.loads(each) for each in session]
    assert told[-1]["type"] == "done"
    assert "Hello world." in [each.get("text") for each in told]


def test_what_is_for_the_cluster_is_not_seen_from_outside(client: httpx2.Client) -> None:
    assert [client.get(path).status_code for path in ("/metrics", "/readyz", "/healthz")] == [404] * 3


def test_a_model_of_a_user_becomes_a_pod_with_the_rights_that_the_chart_gives(
    client: httpx2.Client, api_server: LocalCluster
) -> None:
    person = {"username": "grace", "email": "grace@example.com", "password": "a long password"}
    client.post("/v1/users", json=person)
    signed_in = client.post("/v1/token", data={"username": "grace", "password": person["password"]})
    client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
    sent = client.post("/v1/deployments", data={"name": "twice"}, files={"archive": ("m.tgz", package())})
    assert sent.status_code == 202, sent.text
    eventually(lambda: client.get("/v1/deployments/twice").json()["status"] in ("idle", "ready", "failed"))
    told = client.get("/v1/deployments/twice").json()
    assert told["status"] != "failed", told
    answer = client.post("/v1/deployments/twice/predict", json={"n": 21})
    assert (answer.status_code, answer.json()) == (200, {"twice": 42}), answer.text
    # Beside the catalog's paths, to the same API.
    assert client.post("/v1/models/twice:predict", json={"n": 4}).json() == {"twice": 8}
    assert client.get("/v1/models").status_code == 200
    assert [pod["metadata"]["namespace"] for pod in api_server.pods()] == ["stentor-models"]


def package() -> bytes:
    """A Truss with a model that doubles."""
    model = "class Model:\n    def predict(self, given):\n        return {'twice': given['n'] * 2}\n"
    files = {"config.yaml": "model_name: twice\n", "model/model.py": model}
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def test_a_pod_that_is_killed_loses_no_job(cluster: PaperCluster, client: httpx2.Client) -> None:
    jobs = [submit(client, 5) for _ in range(6)]
    eventually(lambda: any(state(client, each) == "running" for each in jobs))
    victim = cluster.pods[WORKER][0]
    victim.kill()
    victim.start()
    eventually(lambda: all(state(client, each) == "completed" for each in jobs))


async def test_a_job_that_failed_inside_is_run_again_by_the_runbook(
    cluster: PaperCluster, client: httpx2.Client, tmp_path: Path
) -> None:
    failed = submit(client)
    eventually(lambda: state(client, failed) == "completed")
    url = cluster.pods["stentor-auth"][0].environment()["STENTOR_DATABASE_URL"]
    connection = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    try:
        await connection.execute(
            "UPDATE job SET state = 'failed', error_code = 'internal', error_message = 'x' WHERE id = $1",
            uuid.UUID(failed),
        )
    finally:
        await connection.close()
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"

    def replay(*words: str) -> str:
        runbook = helm.ROOT / "k8s" / "runbooks" / "replay-dead-letters.sh"
        environment = {"PATH": path, "STENTOR_DATABASE_URL": url}
        return subprocess.run(
            [runbook, *words], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert replay().startswith(failed)
    assert replay(failed) == "UPDATE 1\n"
    eventually(lambda: state(client, failed) == "completed")
    assert replay() == ""


def test_an_upgrade_is_noticed_by_nobody(cluster: PaperCluster, client: httpx2.Client, script: Path) -> None:
    """Pods of speech to text are exchanged while jobs run and requests come: none fails, no job is lost."""
    before = {pod.port for name in (API, WORKER) for pod in cluster.pods[name]}
    answers, jobs = Counter[str](), list[str]()
    over = threading.Event()

    def call() -> None:
        with httpx2.Client(base_url=cluster.url, timeout=30) as own:
            while not over.is_set():
                try:
                    answers[str(own.get("/v1/providers").status_code)] += 1
                    jobs.append(submit(own, 0.5))
                except (httpx2.HTTPError, AssertionError) as error:
                    answers[repr(error)] += 1
                time.sleep(0.2)

    calling = threading.Thread(target=call)
    calling.start()
    try:
        cluster.upgrade(helm.render(values=values(script, STENTOR_LOG_LEVEL="debug")))
    finally:
        over.set()
        calling.join()
    after = [pod for name in (API, WORKER) for pod in cluster.pods[name]]
    assert before.isdisjoint(pod.port for pod in after)
    assert all(pod.environment()["STENTOR_LOG_LEVEL"] == "debug" for pod in after)
    assert answers.keys() == {"200"}, answers
    assert jobs
    eventually(lambda: {state(client, each) for each in jobs} == {"completed"})
