"""The rendered chart runs: its words and variables, as processes behind a proxy made from its Ingress."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from websockets.sync.client import connect

from stentor_deploy.testing_place import packed
from stentor_dev import helm
from stentor_dev.cluster.server import LocalCluster
from stentor_dev.paper import namespaces
from stentor_dev.paper.calls import sound, state, submit
from stentor_dev.paper.cluster import PaperCluster
from stentor_dev.paper.node import METADATA, PUBLIC, SERVERS
from stentor_dev.patience import eventually

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

Values = Callable[..., dict[str, Any]]
API, WORKER = "stentor-stt", "stentor-worker-whisper"
KUBECTL = """#!/bin/sh
# `exec -i DEPLOYMENT -- COMMAND` runs the command here.
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""


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


@pytest.fixture(scope="module")
def headers_of_owner(cluster: PaperCluster) -> dict[str, str]:
    """Of somebody who has deployed a model, `twice`."""
    person = {"username": "grace", "email": "grace@example.com", "password": "a long password"}
    with httpx2.Client(base_url=cluster.url, timeout=30) as client:
        client.post("/v1/users", json=person)
        signed_in = client.post("/v1/token", data={"username": "grace", "password": person["password"]})
        client.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        archive = {"archive": ("m.tgz", package())}
        sent = client.post("/v1/deployments", data={"name": "twice"}, files=archive)
        assert sent.status_code == 202, sent.text
        ended = ("idle", "ready", "failed")
        eventually(lambda: client.get("/v1/deployments/twice").json()["status"] in ended)
        return dict(client.headers)


def test_a_model_of_a_user_becomes_a_pod_with_the_rights_that_the_chart_gives(
    client: httpx2.Client, headers_of_owner: dict[str, str], api_server: LocalCluster
) -> None:
    client.headers.update(headers_of_owner)
    told = client.get("/v1/deployments/twice").json()
    assert told["status"] != "failed", told
    answer = client.post("/v1/deployments/twice/predict", json={"n": 21})
    assert (answer.status_code, answer.json()) == (200, {"twice": 42}), answer.text
    # Beside the catalog's paths, to the same API.
    assert client.post("/v1/models/twice:predict", json={"n": 4}).json() == {"twice": 8}
    assert client.get("/v1/models").status_code == 200
    assert [pod["metadata"]["namespace"] for pod in api_server.pods()] == ["stentor-models"]


def test_a_model_of_a_user_reaches_the_store_and_nothing_else(
    client: httpx2.Client, headers_of_owner: dict[str, str], cluster: PaperCluster
) -> None:
    if why := namespaces.missing():
        pytest.skip(why)
    client.headers.update(headers_of_owner)
    pod = cluster.pods[API][0].place
    asked = {
        "store": (SERVERS, 9000),
        "database": (SERVERS, 5432),
        "broker": (SERVERS, 5672),
        "API server": (SERVERS, 6443),
        "API": (pod.address, pod.port),
        "metadata of the cloud": (METADATA, 80),
        "world": (PUBLIC, 443),
    }
    told = client.post("/v1/deployments/twice/predict", json={"reach": asked}).json()
    reached = {"store": 0}
    assert told == reached | dict.fromkeys(asked.keys() - reached.keys(), errno.EHOSTUNREACH)


MODEL = """
import socket

def reach(address):
    with socket.socket() as connection:
        connection.settimeout(5)
        return connection.connect_ex(tuple(address))

class Model:
    def predict(self, given):
        if "reach" in given:
            return {name: reach(address) for name, address in given["reach"].items()}
        return {"twice": given["n"] * 2}
"""


def package() -> bytes:
    """A Truss with a model that doubles, and tells what it can connect to."""
    files = {"config.yaml": "model_name: twice\n", "model/model.py": MODEL}
    return packed(files)


def test_a_pod_that_is_killed_loses_no_job(cluster: PaperCluster, client: httpx2.Client) -> None:
    jobs = [submit(client, 5) for _ in range(6)]
    eventually(lambda: any(state(client, each) == "running" for each in jobs))
    victim = cluster.pods[WORKER][0]
    victim.kill()
    victim.start()
    eventually(lambda: all(state(client, each) == "completed" for each in jobs))


async def test_a_job_that_failed_inside_is_run_again_by_the_runbook(
    secret: dict[str, str], client: httpx2.Client, tmp_path: Path
) -> None:
    failed = submit(client)
    eventually(lambda: state(client, failed) == "completed")
    url = secret["database-url"]
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


def test_an_upgrade_is_noticed_by_nobody(
    cluster: PaperCluster, client: httpx2.Client, values: Values
) -> None:
    """Pods of speech to text are exchanged while jobs run and requests come: none fails, no job is lost."""
    before = {pod.place for name in (API, WORKER) for pod in cluster.pods[name]}
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
        cluster.upgrade(helm.render(values=values(STENTOR_LOG_LEVEL="debug")))
    finally:
        over.set()
        calling.join()
    after = [pod for name in (API, WORKER) for pod in cluster.pods[name]]
    assert before.isdisjoint(pod.place for pod in after)
    assert all(pod.environment()["STENTOR_LOG_LEVEL"] == "debug" for pod in after)
    assert answers.keys() == {"200"}, answers
    assert jobs
    eventually(lambda: {state(client, each) for each in jobs} == {"completed"})
