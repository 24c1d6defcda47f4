"""Jobs are never lost and never doubled, whatever is killed: real processes, real servers, kill -9."""

import asyncio
import io
import json
import sys
import tempfile
import time
import uuid
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text

from stentor_common.db import Database, DatabaseUnavailable
from stentor_common.jwt import generate_pem
from stentor_common.testing import RATE, sound
from stentor_dev import databases
from stentor_dev.distributed import STT, Distributed, programs
from stentor_dev.patience import eventually
from stentor_dev.service import Service

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

WORKERS = ("stt-worker-1", "stt-worker-2")
SECOND_API = "stt-api-2"
LEASE_SECONDS = 3
AT_ONCE = 2
"""Jobs that a worker runs side by side."""
TEXTS = ["one"] * 30
SLOW = 4
"""Seconds of a recording that its script takes about three seconds to play."""

DIARY = "diary"
"""In which the engine notes every piece that it has played."""
PARTS = 8

NOT_YET_BELIEVED = (
    "SELECT count(*) FROM job WHERE state = 'queued' AND send_after < now() + interval '1 minute'"
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stentor-script-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[Distributed]:
    """Two APIs, two workers, short leases, an engine that needs as long as the recording."""
    script = folder / "script.json"
    played = {"texts": TEXTS, "seconds_per_audio_second": 0.75, "diary": str(folder / DIARY)}
    script.write_text(json.dumps(played))
    settings = {
        "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
        "STENTOR_STT_ENGINE": "scripted",
        "STENTOR_STT_MODELS": json.dumps([str(script)]),
        "STENTOR_STT_JOBS_AT_ONCE": str(AT_ONCE),
        "STENTOR_STT_BATCH": "1",
        "STENTOR_LEASE_SECONDS": str(LEASE_SECONDS),
        "STENTOR_HEARTBEAT_SECONDS": "0.3",
        "STENTOR_SWEEP_SECONDS": "0.3",
        "STENTOR_SHUTDOWN_SECONDS": "0.3",
        "STENTOR_RETRY_SECONDS": "0.5",
        "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "0",
    }
    argvs = {**programs(workers=2), SECOND_API: (sys.executable, "-m", "stentor_stt", "api")}
    with Distributed(argvs=argvs, settings=settings) as started:
        yield started


@pytest.fixture
def client(house: Distributed) -> Iterator[httpx2.Client]:
    """Through the proxy, as clients come."""
    with httpx2.Client(base_url=house.url, timeout=30) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _everything_runs(house: Distributed) -> Iterator[None]:
    """Before each test, and after it: nobody else has died, and what the test killed comes back."""
    for name, member in house.members.items():
        if member.child is None:
            house.start(name)
    yield
    house.check()


def submit(client: httpx2.Client, seconds: float = 1, headers: dict[str, str] | None = None) -> str:
    answer = client.post(
        "/v1/transcriptions", files={"file": ("a.wav", sound(seconds))}, headers=headers or {}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    """The job, asked again while something on the way to it is away."""

    def ask() -> dict[str, Any] | None:
        try:
            answer = client.get(f"/v1/jobs/{job_id}")
        except httpx2.TransportError:
            return None
        assert answer.status_code in (200, 502, 503, 504), answer.text
        found: dict[str, Any] | None = answer.json() if answer.status_code == 200 else None
        return found

    found = eventually(ask)
    assert found
    return found


def over(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    eventually(lambda: job(client, job_id)["status"] not in ("queued", "running"))
    return job(client, job_id)


def completed(client: httpx2.Client, job_id: str, *, attempts: int) -> None:
    """It is done, in so many attempts, with the whole text once."""
    found = over(client, job_id)
    assert (found["status"], found["attempts"]) == ("completed", attempts), found
    text = client.get(f"/v1/transcriptions/{job_id}", params={"format": "text"}).text
    assert text.split() == TEXTS


def running(client: httpx2.Client, job_id: str) -> None:
    """Return when the job is in the middle."""
    eventually(lambda: (job(client, job_id)["progress"] or {}).get("stage") == "transcribing")


def only(house: Distributed, worker: str) -> None:
    """Leave one worker, so that it is known who has a job."""
    for name in WORKERS:
        if name != worker:
            house.stop(name)


def service(house: Distributed, name: str) -> Service:
    found = house.members[name]
    assert isinstance(found, Service)
    return found


def in_database(house: Distributed, statement: str) -> object:
    return databases.execute(service(house, STT).environment["STENTOR_DATABASE_URL"], statement)


def test_a_job_passes_through_all_processes(client: httpx2.Client) -> None:
    completed(client, submit(client), attempts=1)


@pytest.mark.parametrize("heir", [WORKERS[1], WORKERS[0]], ids=["another", "the_one_that_comes_back"])
def test_a_killed_workers_job_is_done_once(house: Distributed, client: httpx2.Client, heir: str) -> None:
    only(house, WORKERS[0])
    job_id = submit(client, SLOW)
    running(client, job_id)
    house.kill(WORKERS[0])
    house.start(heir)
    completed(client, job_id, attempts=2)


def test_a_killed_workers_job_goes_on_from_the_last_finished_piece(
    house: Distributed, client: httpx2.Client, folder: Path
) -> None:
    only(house, WORKERS[0])
    answer = client.post("/v1/transcriptions", files={"file": ("a.wav", parts_with_pauses())})
    job_id = answer.json()["id"]

    def stored() -> int:
        # There is no other job whose pieces are kept.
        return int(str(in_database(house, "SELECT count(*) FROM stt_piece")))

    eventually(lambda: stored() >= PARTS // 2)
    house.kill(WORKERS[0])
    finished = stored()
    before = played(folder)
    house.start(WORKERS[1])
    assert over(client, job_id)["attempts"] == 2
    text = client.get(f"/v1/transcriptions/{job_id}", params={"format": "text"}).text
    assert text.split() == TEXTS * PARTS
    assert played(folder) - before == PARTS - finished


def played(folder: Path) -> int:
    return len((folder / DIARY).read_text().splitlines())


def parts_with_pauses() -> bytes:
    """Half a second of sound again and again, so far apart that each is heard by itself."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((b"\x00\x40" * (RATE // 2) + bytes(2 * 3 * RATE)) * PARTS)
    return file.getvalue()


def test_a_worker_that_is_asked_to_end_hands_its_job_back(house: Distributed, client: httpx2.Client) -> None:
    only(house, WORKERS[0])
    job_id = submit(client, SLOW)
    running(client, job_id)
    house.stop(WORKERS[0])
    handed_back = job(client, job_id)
    assert (handed_back["status"], handed_back["attempts"]) == ("queued", 0)
    house.start(WORKERS[1])
    completed(client, job_id, attempts=1)


def test_a_job_that_kills_every_worker_fails_with_a_reason(house: Distributed, client: httpx2.Client) -> None:
    only(house, WORKERS[0])
    job_id = submit(client, SLOW)
    for attempt in (1, 2, 3):
        eventually(lambda attempt=attempt: job(client, job_id)["attempts"] == attempt)  # type: ignore[misc]
        house.kill(WORKERS[0])
        house.start(WORKERS[0])
    failed = over(client, job_id)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "worker_lost")
    assert "lost 3 times" in failed["error"]["message"]


def test_messages_outlive_the_broker(house: Distributed, client: httpx2.Client) -> None:
    for name in WORKERS:
        house.stop(name)
    ids = [submit(client) for _ in range(5)]
    assert house.servers.rabbitmq
    house.servers.rabbitmq.settle()
    house.kill("rabbitmq")
    house.start("rabbitmq")
    for name in WORKERS:
        house.start(name)
    for job_id in ids:
        completed(client, job_id, attempts=1)


def test_workers_find_the_broker_again(house: Distributed, client: httpx2.Client) -> None:
    first = submit(client, SLOW)
    running(client, first)
    house.kill("rabbitmq")
    house.start("rabbitmq")
    completed(client, first, attempts=1)
    completed(client, submit(client), attempts=1)


def test_jobs_are_accepted_while_the_broker_is_away(house: Distributed, client: httpx2.Client) -> None:
    house.kill("rabbitmq")
    began = time.monotonic()
    ids = [submit(client) for _ in range(3)]
    assert time.monotonic() - began < 20
    house.start("rabbitmq")
    for job_id in ids:
        completed(client, job_id, attempts=1)


def test_an_api_killed_between_commit_and_message_loses_nothing(
    house: Distributed, client: httpx2.Client
) -> None:
    """The broker does not answer, so the job is committed and its message is not sent; then the API dies."""
    house.kill("rabbitmq")
    job_id = submit(client)
    house.kill(STT)
    house.kill(SECOND_API)
    house.start("rabbitmq")
    eventually(
        lambda: in_database(house, "SELECT count(*) FROM job WHERE state IN ('queued', 'running')") == 0
    )
    house.start(STT)
    completed(client, job_id, attempts=1)


def test_a_broker_that_lost_everything_is_filled_again(house: Distributed, client: httpx2.Client) -> None:
    broker = house.servers.rabbitmq
    assert broker
    for name in WORKERS:
        house.stop(name)
    ids = [submit(client) for _ in range(3)]
    eventually(lambda: in_database(house, NOT_YET_BELIEVED) == 0)
    vhost = service(house, STT).environment["STENTOR_QUEUE_URL"].rpartition("/")[2]
    queues = broker.manage("GET", f"/queues/{vhost}")
    assert isinstance(queues, list)
    for queue in queues:
        broker.manage("DELETE", f"/queues/{vhost}/{queue['name']}/contents")
    # Five minutes later, as the rows see it.
    in_database(house, "UPDATE job SET send_after = now() WHERE state = 'queued'")
    for name in WORKERS:
        house.start(name)
    for job_id in ids:
        completed(client, job_id, attempts=1)


def test_a_database_that_was_away_stops_no_job_for_good(house: Distributed, client: httpx2.Client) -> None:
    """Also those that a worker could take next: it must not wait for ever for the ones that it had."""
    ids = [submit(client, SLOW) for _ in range(AT_ONCE * len(WORKERS))]
    for job_id in ids:
        running(client, job_id)
    house.kill("postgres")
    house.start("postgres")
    for job_id in ids:
        assert over(client, job_id)["status"] == "completed"
    completed(client, submit(client), attempts=1)


async def test_a_database_that_is_away_or_comes_back_is_always_called_so(house: Distributed) -> None:
    db = Database(service(house, STT).environment["STENTOR_DATABASE_URL"])

    async def ask() -> bool:
        try:
            async with db.transaction() as session:
                await session.execute(text("SELECT 1"))
        except DatabaseUnavailable:
            return False
        return True

    assert await ask()
    house.kill("postgres")
    assert not await ask()
    starting = asyncio.create_task(asyncio.to_thread(house.start, "postgres"))
    while not starting.done():
        await ask()
    await starting
    assert await ask()
    await db.close()


def test_a_request_while_the_database_is_away_is_told_to_come_back(
    house: Distributed, client: httpx2.Client
) -> None:
    house.kill("postgres")
    answer = client.post("/v1/transcriptions", json={"audio_url": "http://example.com/a.mp3"})
    ready = httpx2.get(f"{service(house, STT).url}/readyz", timeout=10)
    house.start("postgres")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert answer.headers["retry-after"]
    assert (ready.status_code, ready.json()["queue"]) == (503, "ok")
    assert ready.json()["database"] != "ok"
    eventually(lambda: client.get("/v1/jobs/nothing").status_code == 404)


@pytest.mark.parametrize(("server", "part"), [("rabbitmq", "queue"), ("s3", "store")])
def test_ready_tells_which_server_is_away(house: Distributed, server: str, part: str) -> None:
    def ready() -> dict[str, Any]:
        found: dict[str, Any] = httpx2.get(f"{service(house, STT).url}/readyz", timeout=10).json()
        return found

    eventually(lambda: ready()["status"] == "ok")
    house.kill(server)
    eventually(lambda: ready()[part] != "ok")
    assert ready()["status"] == "unavailable"
    house.start(server)
    eventually(lambda: ready()["status"] == "ok")


def test_a_cancelled_job_stops_within_two_seconds(house: Distributed, client: httpx2.Client) -> None:
    job_id = submit(client, 10)
    running(client, job_id)
    assert client.post(f"/v1/jobs/{job_id}/cancel").json()["status"] == "cancelled"
    after = time.monotonic()
    busy = 'stentor_jobs_running{kind="stt.transcribe"} 1.0'

    def idle() -> bool:
        shown = [httpx2.get(f"{service(house, name).url}/metrics").text for name in WORKERS]
        return not any(busy in text for text in shown)

    eventually(idle, seconds=2)
    assert time.monotonic() - after < 2


def test_many_jobs_in_a_storm_of_kills_are_each_done_once(house: Distributed, client: httpx2.Client) -> None:
    before = in_database(house, "SELECT count(*) FROM job")
    assert isinstance(before, int)
    with ThreadPoolExecutor(8) as together:
        keys = [uuid.uuid4().hex for _ in range(24)]
        ids = list(together.map(lambda key: submit(client, 0.5, {"Idempotency-Key": key}), keys))
    for name in (*WORKERS, STT, *WORKERS):
        house.kill(name)
        house.start(name)
    for job_id in ids:
        found = over(client, job_id)
        assert found["status"] == "completed", found
    assert len(set(ids)) == 24
    assert in_database(house, "SELECT count(*) FROM job") == before + 24
    with ThreadPoolExecutor(8) as together:
        again = list(together.map(lambda key: replayed(client, key), keys))
    assert again == ids


def replayed(client: httpx2.Client, key: str) -> str:
    answer = client.post(
        "/v1/transcriptions", files={"file": ("a.wav", sound(0.5))}, headers={"Idempotency-Key": key}
    )
    assert answer.headers["idempotency-replayed"] == "true"
    return str(answer.json()["id"])


def test_the_limit_of_strangers_holds_for_all_replicas_together(
    house: Distributed, client: httpx2.Client
) -> None:
    upload = client.post("/v1/uploads", files={"file": ("a.wav", sound())}).json()["id"]
    apis = [service(house, name) for name in (STT, SECOND_API)]
    as_it_was = apis[0].environment
    for api in apis:
        api.environment = {**as_it_was, "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "10"}
        api.restart()

    def ask(number: int) -> int:
        url, key = apis[number % 2].url, f"{upload}-{number}"
        return httpx2.post(
            f"{url}/v1/transcriptions",
            json={"upload_id": upload},
            headers={"Idempotency-Key": key},
            timeout=60,
        ).status_code

    began = time.monotonic()
    with ThreadPoolExecutor(50) as together:
        found = list(together.map(ask, range(50)))
    took = time.monotonic() - began
    for api in apis:
        api.environment = as_it_was
        api.restart()
    assert sorted(found) == [202] * 10 + [429] * 40
    assert took < 20
