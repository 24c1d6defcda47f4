"""Text to speech as separate processes on real servers: the API asks workers, and workers die."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.jwt import generate_pem
from stentor_dev.distributed import AUTH, MIGRATE, TTS, Distributed
from stentor_dev.patience import eventually

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

WORKERS = ("tts-worker-1", "tts-worker-2")
TEXT = "Hello world. How are you?"
LONG = " ".join(f"This is sentence number {number}." for number in range(1, 41))
PROGRAM = (sys.executable, "-m", "stentor_tts")
ARGVS = {
    MIGRATE: (sys.executable, "-m", "stentor_allinone.main", "migrate"),
    AUTH: (sys.executable, "-m", "stentor_auth", "api"),
    TTS: (*PROGRAM, "api"),
    **dict.fromkeys(WORKERS, (*PROGRAM, "worker")),
}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="stentor-voices-") as made:
        yield Path(made)


@pytest.fixture(scope="module")
def house(folder: Path) -> Iterator[Distributed]:
    """An API and two workers, short leases, a voice that takes a tenth as long as its sound."""
    script = folder / "voices.json"
    script.write_text(json.dumps({"seconds_per_audio_second": 0.3, "diary": str(folder / "diary")}))
    settings = {
        "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
        "STENTOR_TTS_VOICES": json.dumps([f"scripted:{script}#high"]),
        "STENTOR_LEASE_SECONDS": "3",
        "STENTOR_HEARTBEAT_SECONDS": "0.3",
        "STENTOR_SWEEP_SECONDS": "0.3",
        "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "0",
    }
    with Distributed(argvs=ARGVS, settings=settings) as started:
        yield started


@pytest.fixture
def client(house: Distributed) -> Iterator[httpx2.Client]:
    for name in WORKERS:
        if house.members[name].child is None:
            house.start(name)
    with httpx2.Client(base_url=house.url, timeout=60) as opened:
        yield opened
    house.check()


def speech(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/v1/speech/{job_id}").json()
    return found


def said(folder: Path) -> int:
    diary = folder / "diary"
    return len(diary.read_text().splitlines()) if diary.exists() else 0


def test_a_text_passes_through_all_processes(client: httpx2.Client) -> None:
    made = client.post(
        "/v1/speech", json={"text": TEXT, "format": "wav"}, headers={"Prefer": "wait=30"}
    ).json()
    assert made["status"] == "completed"
    whole = client.get(made["audio_url"])
    assert len(whole.content) == made["size_bytes"]
    part = client.get(made["audio_url"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert client.delete(f"/v1/speech/{made['id']}").status_code == 204
    assert client.get(made["audio_url"]).status_code == 404


def test_the_api_has_a_worker_speak_while_its_client_listens(client: httpx2.Client) -> None:
    body = {"model": "tts-1", "input": TEXT, "voice": "alloy", "response_format": "pcm"}
    first, second = [client.post("/v1/audio/speech", json=body) for _ in range(2)]
    assert first.status_code == 200
    assert (first.headers["x-stentor-cached"], second.headers["x-stentor-cached"]) == ("false", "true")
    assert second.content == first.content


def test_sound_comes_before_the_text_is_over_and_stops_with_the_client(
    client: httpx2.Client, folder: Path
) -> None:
    before = said(folder)
    with client.stream("POST", "/v1/speech/stream", json={"text": LONG, "format": "pcm"}) as answer:
        assert next(answer.iter_raw())
        assert said(folder) - before < 20
    time.sleep(1)
    stopped = said(folder)
    assert stopped - before < 30
    time.sleep(0.5)
    assert said(folder) == stopped


def test_what_a_worker_refuses_is_told_to_the_client(client: httpx2.Client) -> None:
    answer = client.post("/v1/speech/stream", json={"text": "?!"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unspeakable")


def test_the_speech_of_a_killed_worker_is_done_by_another(house: Distributed, client: httpx2.Client) -> None:
    house.stop(WORKERS[1])
    job_id = client.post("/v1/speech", json={"text": LONG, "cache": False}).json()["id"]
    eventually(lambda: ((speech(client, job_id)["progress"] or {}).get("sentence") or 0) > 2)
    house.kill(WORKERS[0])
    house.start(WORKERS[1])
    eventually(lambda: speech(client, job_id)["status"] not in ("queued", "running"))
    done = speech(client, job_id)
    assert (done["status"], len(done["sentences"])) == ("completed", 40)
    assert len(client.get(done["audio_url"]).content) == done["size_bytes"]


def test_without_a_worker_a_job_waits_for_one(house: Distributed, client: httpx2.Client) -> None:
    for name in WORKERS:
        house.stop(name)
    made = client.post("/v1/speech", json={"text": TEXT, "cache": False})
    assert made.json()["status"] == "queued"
    house.start(WORKERS[0])
    eventually(lambda: speech(client, made.json()["id"])["status"] == "completed")
