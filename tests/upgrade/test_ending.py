"""How each process ends: asked by SIGTERM it finishes what it can, gives back the rest, leaves nothing.

A lease lasts a minute here: whoever goes on with a job has not waited for it to run out.
"""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from stentor_common.jwt import generate_pem
from stentor_common.testing import sound
from stentor_deploy.testing_place import packed
from stentor_dev import databases, patience
from stentor_dev.distributed import AUTH, CAPABILITIES, DEPLOY, STT, Distributed, programs
from stentor_dev.process import Server
from stentor_dev.service import Service

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

eventually = partial(patience.eventually, seconds=90)

SHUTDOWN_SECONDS = 4
COME_AGAIN = 1012
"""Code of closing a WebSocket: the server restarts (registered with IANA)."""

SPEEDS = ("quick", "slow")
TEXT = "The harbour is closed."
UPLOADING = "/v1/deployments"
PLACES = {
    "stt": "/v1/transcriptions",
    "tts": "/v1/speech",
    "summarize": "/v1/summaries",
    "pipelines": "/v1/pipelines",
}
ACTIVE = "SELECT count(*) FROM job WHERE state IN ('queued', 'running') AND kind = 'stt.transcribe'"
WAITED_FOR = "SELECT count(*) FROM job WHERE request_id = 'who-waits'"
RUNNING = "SELECT string_agg(queue, ' ') FROM job WHERE state = 'running' AND kind = 'stt.transcribe'"
BUILD = "SELECT state || ' ' || attempts FROM job WHERE kind = 'deploy.build' AND state <> 'completed'"
HOSTED = "stentor_common.hosting.child"


@pytest.fixture(scope="module")
def scripts() -> Iterator[Path]:
    """What engines do: `quick` ends in the time that a process has to end, `slow` never."""
    # Names of queues hold the beginning of a model's name only, which for these is a path.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ends-") as made:
        folder = Path(made)
        for name, factor in (("quick", 1), ("slow", 1000)):
            heard = {"texts": ["Hello."], "seconds_per_audio_second": 0.5 * factor}
            written = {"texts": ["Nobody looks at the tides here."], "seconds_per_word": 0.15 * factor}
            (folder / f"hear-{name}").write_text(json.dumps(heard))
            (folder / f"say-{name}").write_text(json.dumps({"seconds_per_audio_second": 10 * factor}))
            (folder / f"write-{name}").write_text(json.dumps(written))
        yield folder


@pytest.fixture(scope="module")
def settings(scripts: Path) -> dict[str, str]:
    voices = [
        {"engine": "scripted", "model": str(scripts / f"say-{name}"), "voice": "high", "id": name}
        for name in SPEEDS
    ]
    return {
        "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
        "STENTOR_STT_ENGINE": "scripted",
        "STENTOR_STT_MODELS": json.dumps([str(scripts / "hear-quick"), str(scripts / "hear-slow")]),
        "STENTOR_STT_JOBS_AT_ONCE": "1",
        # The last one is of an engine in a process of its own.
        "STENTOR_TTS_VOICES": json.dumps([*voices, "joe"]),
        "STENTOR_TTS_PRELOAD": '["joe"]',
        "STENTOR_TTS_JOBS_AT_ONCE": "1",
        "STENTOR_SUMMARIZE_MODELS": json.dumps([f"scripted:{scripts}/write-{name}" for name in SPEEDS]),
        "STENTOR_SUMMARIZE_JOBS_AT_ONCE": "1",
        "STENTOR_LEASE_SECONDS": "60",
        "STENTOR_HEARTBEAT_SECONDS": "0.3",
        "STENTOR_SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
        "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "0",
    }


@pytest.fixture(scope="module")
def house(settings: dict[str, str]) -> Iterator[Distributed]:
    """An API and a worker of each capability."""
    with Distributed(argvs=programs(capabilities=CAPABILITIES), settings=settings) as started:
        yield started
        for name in started.members:
            started.kill(name)


@pytest.fixture(autouse=True)
def _nobody_has_died(house: Distributed) -> Iterator[None]:
    yield
    house.check()


@pytest.fixture(scope="module")
def owner(house: Distributed) -> dict[str, str]:
    """Headers of somebody whose model `idle` is deployed: it sleeps as long as it is told."""
    account = {"username": "ada", "email": "ada@example.com", "password": "a long password"}
    with httpx2.Client(base_url=house.url, timeout=30) as client:
        client.post("/v1/users", json=account).raise_for_status()
        account.pop("email")
        token = client.post("/v1/token", json=account).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    deploy(house, headers, "idle")
    eventually(lambda: build(house, headers, "idle")["status"] == "ready")
    return headers


def deploy(house: Distributed, headers: dict[str, str], name: str, *, loading: float = 0) -> None:
    model = (
        "import time\nclass Model:\n"
        f"    def load(self):\n        time.sleep({loading})\n"
        "    def predict(self, seconds):\n        time.sleep(seconds)\n        return seconds\n"
    )
    files = {
        "archive": ("model.tar.gz", packed({"config.yaml": f"model_name: {name}\n", "model/model.py": model}))
    }
    sent = httpx2.post(house.url + UPLOADING, data={"name": name}, files=files, headers=headers, timeout=30)
    assert sent.status_code == 202, sent.text


def build(house: Distributed, headers: dict[str, str], name: str) -> dict[str, Any]:
    told = httpx2.get(f"{house.url}{UPLOADING}/{name}", headers=headers, timeout=30)
    found: dict[str, Any] = told.json()["latest"]
    assert "failed" not in found["status"], found
    return found


def asked_of(capability: str, speed: str, scripts: Path) -> dict[str, Any]:
    steps = [{"do": "speak", "voice": speed}]
    asked: dict[str, dict[str, Any]] = {
        "stt": {"files": {"file": ("a.wav", sound(4))}, "data": {"model": str(scripts / f"hear-{speed}")}},
        "tts": {"json": {"text": TEXT, "voice": speed, "cache": False}},
        "summarize": {"json": {"text": TEXT, "model": f"scripted:{scripts}/write-{speed}"}},
        "pipelines": {"json": {"text": TEXT, "steps": steps}},
    }
    return asked[capability]


def submit(url: str, capability: str, speed: str, scripts: Path) -> str:
    answer = httpx2.post(url + PLACES[capability], **asked_of(capability, speed, scripts), timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def job(url: str, job_id: str) -> tuple[str, int]:
    """Its state, and how often it was begun."""
    told = httpx2.get(f"{url}/v1/jobs/{job_id}", timeout=30).json()
    return told["status"], told["attempts"]


def service(house: Distributed, name: str) -> Service:
    found = house.members[name]
    assert isinstance(found, Service)
    return found


def running(house: Distributed, name: str) -> Service:
    """One of its processes, started if a test has ended it."""
    if house.members[name].child is None:
        house.start(name)
    return service(house, name)


def in_database(house: Distributed, statement: str) -> Any:
    return databases.execute(service(house, STT).environment["STENTOR_DATABASE_URL"], statement)


def end(member: Server, *signals: signal.Signals) -> tuple[int | None, list[str]]:
    """With which status it ended when it got these signals, and which of its children are left."""
    child = member.child
    assert child
    family = psutil.Process(child.pid).children(recursive=True)
    for number in signals or (signal.SIGTERM,):
        os.kill(child.pid, number)
        # A second one must not come before the first was heard.
        eventually(lambda: not child.running or not accepts(member), seconds=20)
    eventually(lambda: not child.running, seconds=SHUTDOWN_SECONDS + 20)
    _, left = psutil.wait_procs(family, timeout=5)
    told = [" ".join(each.cmdline()) for each in left if each.status() != psutil.STATUS_ZOMBIE]
    member.stop()
    return child.status, told


def accepts(member: Server) -> bool:
    """Whether it still takes connections, and calls itself ready."""
    try:
        return httpx2.get(f"http://127.0.0.1:{member.port}/readyz", timeout=10).status_code == 200
    except httpx2.TransportError:
        return False


def hosted(member: Server) -> list[psutil.Process]:
    assert member.child
    family = psutil.Process(member.child.pid).children(recursive=True)
    return [each for each in family if HOSTED in each.cmdline()]


@pytest.mark.parametrize("capability", ["stt", "tts", "summarize"])
def test_a_worker_finishes_what_it_can_and_gives_back_the_rest(
    house: Distributed, scripts: Path, capability: str
) -> None:
    url, worker = running(house, f"{capability}-api").url, running(house, f"{capability}-worker-1")
    slow = submit(url, capability, "slow", scripts)
    eventually(lambda: job(url, slow)[0] == "running")
    assert capability != "tts" or hosted(worker)
    quick = [submit(url, capability, "quick", scripts) for _ in range(12)]
    now = eventually(lambda: next((each for each in quick if job(url, each)[0] == "running"), ""))
    assert end(worker) == (0, [])
    assert (job(url, now), job(url, slow)) == (("completed", 1), ("queued", 0))
    # It took no more: one after the other is done, and the rest was not begun.
    states = [job(url, each) for each in quick]
    begun = states.count(("completed", 1))
    assert states == [("completed", 1)] * begun + [("queued", 0)] * (len(quick) - begun)
    assert begun < len(quick)
    running(house, f"{capability}-worker-1")
    eventually(lambda: job(url, quick[begun]) == ("completed", 1))
    eventually(lambda: job(url, slow) == ("running", 1))
    for each in (slow, *quick[begun + 1 :]):
        httpx2.post(f"{url}/v1/jobs/{each}/cancel")


def test_a_pipeline_is_given_back_at_once(house: Distributed, scripts: Path) -> None:
    """What it waits for goes on elsewhere."""
    url, worker = running(house, "pipelines-api").url, running(house, "pipelines-worker-1")
    pipeline = submit(url, "pipelines", "slow", scripts)
    step = eventually(
        lambda: httpx2.get(f"{url}{PLACES['pipelines']}/{pipeline}").json()["steps"][0]["job_id"]
    )
    assert end(worker) == (0, [])
    assert job(url, pipeline) == ("queued", 0)
    running(house, "pipelines-worker-1")
    eventually(lambda: job(url, pipeline) == ("running", 1))
    now = httpx2.get(f"{url}{PLACES['pipelines']}/{pipeline}").json()["steps"][0]["job_id"]
    assert now == step
    httpx2.post(f"{url}/v1/jobs/{pipeline}/cancel").raise_for_status()


def test_a_build_is_given_back_with_its_model_ended(house: Distributed, owner: dict[str, str]) -> None:
    worker = running(house, "deploy-worker-1")
    deploy(house, owner, "heavy", loading=300)
    eventually(lambda: build(house, owner, "heavy")["status"] == "loading")
    assert end(worker) == (0, [])
    assert in_database(house, BUILD) == "queued 0"
    running(house, "deploy-worker-1")
    eventually(lambda: in_database(house, BUILD) == "running 1")


@pytest.mark.parametrize("capability", PLACES)
def test_an_api_lets_go_of_those_who_wait(house: Distributed, scripts: Path, capability: str) -> None:
    """They are told how their job stands, and ask any other process for the rest."""
    api, other = running(house, f"{capability}-api"), running(house, DEPLOY).url
    followed = submit(api.url, capability, "slow", scripts)
    waited_for = in_database(house, WAITED_FOR)
    headers = {"Prefer": "wait=60", "X-Request-Id": "who-waits"}
    asked = {**asked_of(capability, "slow", scripts), "headers": headers, "timeout": 60}
    with ThreadPoolExecutor(1) as client, following(api.url, followed) as events:
        waiting = client.submit(httpx2.post, api.url + PLACES[capability], **asked)
        assert next(events)["status"] in ("queued", "running")
        eventually(lambda: in_database(house, WAITED_FOR) != waited_for)
        assert end(api) == (0, [])
        told = waiting.result()
        # The stream ends as streams do, not in the middle of an event.
        assert all(event["status"] in ("queued", "running") for event in events)
    assert (told.status_code, told.json()["status"] in ("queued", "running")) == (202, True)
    for job_id in (followed, told.json()["id"]):
        assert job(other, job_id)[0] in ("queued", "running")
        httpx2.post(f"{other}/v1/jobs/{job_id}/cancel").raise_for_status()


@contextmanager
def following(url: str, job_id: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What is told of a job, as it comes."""
    with httpx2.stream("GET", f"{url}/v1/jobs/{job_id}/events", timeout=60) as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data:"))
        yield (json.loads(line.removeprefix("data:")) for line in lines)


def test_a_live_session_is_told_to_come_again(house: Distributed, scripts: Path) -> None:
    address = running(house, STT).url.replace("http", "ws", 1) + "/v1/transcriptions/live"
    with connect(address) as session:
        session.send(json.dumps({"model": str(scripts / "hear-quick")}))
        assert json.loads(session.recv(timeout=30))["type"] == "ready"
        session.send(bytes(32_000))
        assert end(house.members[STT]) == (0, [])
        with pytest.raises(ConnectionClosed) as closed:
            all(session.recv(timeout=10) for _ in range(1000))
    assert closed.value.rcvd
    assert closed.value.rcvd.code == COME_AGAIN


def test_an_answer_that_cannot_be_fetched_elsewhere_is_waited_for(house: Distributed, scripts: Path) -> None:
    """As long as there is time: after that the client is told to send its request again."""
    api = running(house, STT)
    before = in_database(house, ACTIVE)

    def ask(speed: str, seconds: float) -> httpx2.Response:
        files = {"file": ("a.wav", sound(seconds))}
        form = {"model": str(scripts / f"hear-{speed}")}
        return httpx2.post(f"{api.url}/v1/audio/transcriptions", files=files, data=form, timeout=60)

    with ThreadPoolExecutor(2) as clients:
        long = clients.submit(ask, "slow", 20)
        eventually(lambda: in_database(house, ACTIVE) != before)
        short = clients.submit(ask, "quick", 3)
        eventually(lambda: "hear-quick" in (in_database(house, RUNNING) or ""))
        assert end(api) == (0, [])
        assert (short.result().status_code, short.result().json()["text"]) == (200, "Hello.")
        refused = long.result()
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "interrupted"), refused.text
    assert refused.headers["retry-after"]
    # Nobody would ask for it.
    assert in_database(house, ACTIVE) == before


def test_a_call_of_a_model_is_answered(house: Distributed, owner: dict[str, str]) -> None:
    api = running(house, DEPLOY)
    call, calls = (f"{api.url}{UPLOADING}/idle/{what}" for what in ("predict", "metrics"))
    assert httpx2.post(call, json=0, headers=owner, timeout=60).json() == 0
    with ThreadPoolExecutor(1) as client:
        waiting = client.submit(httpx2.post, call, json=2, headers=owner, timeout=60)
        eventually(lambda: httpx2.get(calls, headers=owner).json()["data"][0]["serving"]["in_flight"] == 1)
        assert end(api) == (0, [])
        assert (waiting.result().status_code, waiting.result().json()) == (200, 2)


def test_the_auth_service_ends(house: Distributed) -> None:
    assert end(running(house, AUTH)) == (0, [])


def test_a_second_signal_ends_a_worker_at_once(house: Distributed, scripts: Path) -> None:
    url, worker = running(house, STT).url, running(house, "stt-worker-1")
    slow = submit(url, "stt", "slow", scripts)
    eventually(lambda: job(url, slow)[0] == "running")
    assert end(worker, signal.SIGTERM, signal.SIGTERM) == (-signal.SIGTERM, [])


class TestAllInOne:
    @pytest.fixture(scope="class")
    @classmethod
    def all_in_one(
        cls, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Service]:
        argv = [sys.executable, "-m", "stentor_allinone.main", "up"]
        service = Service(
            tmp_path_factory.mktemp("up"), argv, {**os.environ, **settings, "STENTOR_TTS_PRELOAD": "[]"}
        )
        service.start()
        yield service
        service.stop()

    def test_it_finishes_what_it_can_and_begins_again_with_the_rest(
        self, all_in_one: Service, scripts: Path
    ) -> None:
        url = all_in_one.url
        slow = submit(url, "stt", "slow", scripts)
        eventually(lambda: job(url, slow)[0] == "running")
        quick = submit(url, "stt", "quick", scripts)
        eventually(lambda: job(url, quick)[0] == "running")
        assert end(all_in_one) == (0, [])
        all_in_one.start()
        assert job(url, quick) == ("completed", 1)
        eventually(lambda: job(url, slow) == ("running", 1))

    def test_a_second_signal_ends_it_at_once(self, all_in_one: Service) -> None:
        assert end(all_in_one, signal.SIGINT, signal.SIGINT) == (-signal.SIGINT, [])
