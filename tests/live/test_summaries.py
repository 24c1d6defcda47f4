"""Summaries by processes of their own: read along through a proxy, never lost, never doubled, and together
with speech to text elsewhere."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.jwt import generate_pem
from stentor_common.testing import sound
from stentor_dev import databases
from stentor_dev.distributed import SUMMARIZE, Distributed, programs
from stentor_dev.patience import eventually
from stentor_dev.service import Service

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

PATH = "/v1/summaries"
WORKERS = ("summarize-worker-1", "summarize-worker-2")
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
SUMMARY = " ".join(["tide"] * 60)
"""Takes three seconds to write."""


@pytest.fixture(scope="module")
def house() -> Iterator[Distributed]:
    """One of each API, two workers for summaries, engines that do what is written down for them."""
    with tempfile.TemporaryDirectory(prefix="stentor-script-") as folder:
        writes, hears = Path(folder) / "writes.json", Path(folder) / "hears.json"
        writes.write_text(json.dumps({"texts": [SUMMARY], "seconds_per_word": 0.05}))
        hears.write_text(json.dumps({"texts": ["Hello world.", "How are you?"]}))
        settings = {
            "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
            "STENTOR_STT_ENGINE": "scripted",
            "STENTOR_STT_MODELS": json.dumps([str(hears)]),
            "STENTOR_SUMMARIZE_MODELS": json.dumps([f"scripted:{writes}"]),
            "STENTOR_LEASE_SECONDS": "3",
            "STENTOR_HEARTBEAT_SECONDS": "0.3",
            "STENTOR_SWEEP_SECONDS": "0.3",
            "STENTOR_SHUTDOWN_SECONDS": "0.3",
            "STENTOR_RETRY_SECONDS": "0.5",
            "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "0",
        }
        argvs = programs(capabilities=("stt", "summarize"))
        argvs[WORKERS[1]] = (sys.executable, "-m", "stentor_summarize", "worker")
        with Distributed(argvs=argvs, settings=settings) as started:
            yield started


@pytest.fixture
def client(house: Distributed) -> Iterator[httpx2.Client]:
    """Through the proxy, as clients come."""
    with httpx2.Client(base_url=house.url, timeout=60) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _everything_runs(house: Distributed) -> Iterator[None]:
    for name, member in house.members.items():
        if member.child is None:
            house.start(name)
    yield
    house.check()


def submit(client: httpx2.Client, **asked: Any) -> str:
    answer = client.post(PATH, json={"text": TEXT} | asked)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def over(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        return found if found["status"] not in ("queued", "running") else None

    found = eventually(ended)
    assert found
    return found


def rows(house: Distributed, table: str) -> int:
    service = house.members[SUMMARIZE]
    assert isinstance(service, Service)
    statement = f"SELECT count(*) FROM {table}"  # noqa: S608 - our own words
    return int(str(databases.execute(service.environment["STENTOR_DATABASE_URL"], statement)))


def events(answer: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """As they come."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def text_of(told: list[tuple[str, Any]]) -> str:
    """What somebody has who puts the pieces together."""
    text = ""
    for name, data in told:
        text = "" if name == "reset" else text + data["text"] if name == "delta" else text
    return text


def test_text_comes_through_the_proxy_while_it_is_written(client: httpx2.Client) -> None:
    with client.stream("POST", PATH, json={"text": TEXT, "stream": True}) as answer:
        told = events(answer)
        _, first = next(told)
        delta = next(data for name, data in told if name == "delta")
        assert client.get(f"{PATH}/{first['id']}").json()["status"] == "running"
        rest = list(told)
    assert text_of([("delta", delta), *rest]) == SUMMARY
    assert rest[-1][0] == "completed"


def test_a_reader_who_goes_stops_the_worker(client: httpx2.Client) -> None:
    with client.stream("POST", PATH, json={"text": TEXT, "stream": True}) as answer:
        job_id = next(data for _, data in events(answer))["id"]
    assert over(client, job_id)["status"] == "cancelled"


def test_a_killed_workers_summary_is_written_once(house: Distributed, client: httpx2.Client) -> None:
    house.stop(WORKERS[1])
    job_id = submit(client)
    told: list[tuple[str, Any]] = []
    with client.stream("GET", f"{PATH}/{job_id}/events") as answer:
        following = events(answer)
        while not told or told[-1][0] != "delta":
            told.append(next(following))
        house.kill(WORKERS[0])
        house.start(WORKERS[1])
        told += following
    assert [name for name, _ in told].count("completed") == 1
    assert text_of(told) == SUMMARY
    assert over(client, job_id)["attempts"] == 2
    assert client.get(f"{PATH}/{job_id}", params={"format": "text"}).text == SUMMARY


def test_a_worker_that_is_asked_to_end_hands_its_summary_back(
    house: Distributed, client: httpx2.Client
) -> None:
    house.stop(WORKERS[1])
    job_id = submit(client)
    eventually(
        lambda: (client.get(f"/v1/jobs/{job_id}").json()["progress"] or {}).get("stage") == "summarizing"
    )
    house.stop(WORKERS[0])
    assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
    house.start(WORKERS[1])
    assert over(client, job_id)["attempts"] == 1


def test_a_cancelled_summary_leaves_the_model_within_moments(
    house: Distributed, client: httpx2.Client
) -> None:
    house.stop(WORKERS[1])
    first = submit(client)
    eventually(lambda: client.get(f"/v1/jobs/{first}").json()["status"] == "running")
    second = submit(client, style="headline")
    client.post(f"{PATH}/{first}/cancel")
    assert over(client, second)["status"] == "completed"


def test_texts_are_deleted_when_their_jobs_are_over(house: Distributed, client: httpx2.Client) -> None:
    files = {"file": ("notes.txt", TEXT.encode())}
    for job_id in (submit(client), client.post(PATH, files=files).json()["id"]):
        assert over(client, job_id)["status"] == "completed"
    eventually(lambda: rows(house, "summary_input") == 0)
    assert rows(house, "upload") == 0


def test_a_transcription_made_elsewhere_is_summarized(client: httpx2.Client) -> None:
    made = client.post(
        "/v1/transcriptions", files={"file": ("a.wav", sound())}, headers={"Prefer": "wait=30"}
    ).json()
    job_id = client.post(PATH, json={"transcript_id": made["id"]}).json()["id"]
    assert over(client, job_id)["status"] == "completed"
    assert client.get(f"{PATH}/{job_id}").json()["source"]["words"] == 5


def test_slashml_finds_every_job_at_every_service(client: httpx2.Client) -> None:
    job = client.post("/speech-to-text/v1/jobs/", data={"text": TEXT}).json()
    assert over(client, job["id"])["status"] == "completed"
    for base in ("/speech-to-text/v1", "/summarization/v1"):
        found = client.get(f"{base}/jobs/{job['id']}/").json()
        assert (found["status"], found["summarization_data"]) == ("COMPLETED", SUMMARY)
