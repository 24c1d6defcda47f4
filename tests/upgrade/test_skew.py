"""An upgrade and the way back, with real processes of the version before and of this one side by side.

The tests are one story, told in the order in which they stand: all is of the version before; this one
migrates; some of it comes and goes again; its APIs come beside the old ones; workers are exchanged one by
one; the old ones end.
"""

import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from stentor_common.jwt import generate_pem
from stentor_common.testing import sound
from stentor_deploy.testing_place import packed
from stentor_dev.distributed import AUTH, DEPLOY
from stentor_dev.patience import eventually
from stentor_dev.process import Child, Command
from stentor_dev.releases import NotInHistory, Release, previous
from stentor_dev.side_by_side import NEW, SideBySide

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

CAPABILITIES = ("stt", "tts", "summarize", "pipelines")
"""Those that the version before has too."""
APIS = ("stt-api", "tts-api", "summarize-api", "pipelines-api")
POOLS = ("stt-worker-1", "stt-worker-2", "tts-worker-1")
"""Workers that are exchanged under load."""
OTHERS = ("summarize-worker-1", "pipelines-worker-1")
LATE = "summarize-worker-1"
"""Starts when the schema is newer than its version already."""
TEXT = "The harbour is closed. Nobody looks at the tides."
OLD_API, NEW_API = "old", "new"
LOSE = """UPDATE job SET state = 'running', attempts = 1, lease_id = id, lease_until = now() - interval '1 h'
WHERE kind = 'deploy.build'"""
BUILD = "SELECT state || ' ' || attempts FROM job WHERE kind = 'deploy.build'"
SCHEMA = "SELECT version_num FROM alembic_version"
UNFINISHED = "SELECT string_agg(kind || ' ' || state, ', ') FROM job WHERE state <> 'completed'"


@pytest.fixture(scope="module")
def release() -> Release:
    try:
        return previous()
    except NotInHistory as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def house(release: Release) -> Iterator[SideBySide]:
    """Processes of the version before on its own schema, with engines that do as they are told."""
    # A short path: models are named by it, and long names of queues were cut otherwise before.
    with tempfile.TemporaryDirectory(prefix="stentor-skew-", dir="/tmp") as made:
        hears, speaks, writes = (Path(made) / name for name in ("hears", "speaks", "writes"))
        hears.write_text(json.dumps({"texts": ["Hello world."], "seconds_per_audio_second": 0.2}))
        speaks.write_text(json.dumps({"seconds_per_audio_second": 0.5}))
        writes.write_text(json.dumps({"texts": ["Tides."], "seconds_per_word": 0.1}))
        settings = {
            "STENTOR_AUTH_SIGNING_KEY": generate_pem(),
            "STENTOR_STT_ENGINE": "scripted",
            "STENTOR_STT_MODELS": json.dumps([str(hears)]),
            "STENTOR_STT_JOBS_AT_ONCE": "2",
            "STENTOR_STT_BATCH": "1",
            "STENTOR_TTS_VOICES": json.dumps([f"scripted:{speaks}#high"]),
            "STENTOR_TTS_JOBS_AT_ONCE": "2",
            "STENTOR_SUMMARIZE_MODELS": json.dumps([f"scripted:{writes}"]),
            "STENTOR_LEASE_SECONDS": "5",
            "STENTOR_HEARTBEAT_SECONDS": "0.3",
            "STENTOR_SWEEP_SECONDS": "1",
            "STENTOR_SHUTDOWN_SECONDS": "3",
            "STENTOR_ANONYMOUS_JOBS_PER_MINUTE": "0",
        }
        names = [name for name in (AUTH, *APIS, *POOLS, *OTHERS) if name != LATE]
        with SideBySide(release, names, settings) as started:
            yield started


@pytest.fixture(autouse=True)
def _nobody_has_died(house: SideBySide) -> Iterator[None]:
    yield
    house.check()


class Person:
    """Somebody with an account, at the APIs of one version or the other."""

    def __init__(self, house: SideBySide) -> None:
        self._house = house
        self.headers: dict[str, str] = {}

    def call(self, version: str, capability: str, method: str, path: str, **sent: Any) -> httpx2.Response:
        name = AUTH if capability == AUTH else f"{capability}-api"
        url = self._house.service(NEW + name if version == NEW_API else name).url
        headers = self.headers | sent.pop("headers", {})
        return httpx2.request(method, url + path, headers=headers, timeout=60, **sent)

    def register(self, version: str, name: str) -> None:
        account = {"username": name, "email": f"{name}@example.com", "password": "a long password"}
        assert self.call(version, AUTH, "POST", "/v1/users", json=account).status_code == 201

    def sign_in(self, version: str, name: str) -> str:
        asked = {"username": name, "password": "a long password"}
        return str(self.call(version, AUTH, "POST", "/v1/token", json=asked).json()["access_token"])

    def submit(self, version: str, capability: str, **more: Any) -> str:
        answer = self.call(version, capability, "POST", PLACES[capability], **asked_of(capability), **more)
        assert answer.status_code in (200, 202), answer.text
        return str(answer.json()["id"])

    def read(self, version: str, capability: str, job_id: str) -> dict[str, Any]:
        answer = self.call(version, capability, "GET", f"{PLACES[capability]}/{job_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def done(self, version: str, capability: str, job_id: str) -> dict[str, Any]:
        eventually(lambda: self.read(version, capability, job_id)["status"] not in ("queued", "running"))
        found: dict[str, Any] = self.read(version, capability, job_id)
        assert (found["status"], found["error"]) == ("completed", None), found
        return found


PLACES = {
    "stt": "/v1/transcriptions",
    "tts": "/v1/speech",
    "summarize": "/v1/summaries",
    "pipelines": "/v1/pipelines",
}


def asked_of(capability: str) -> dict[str, Any]:
    steps = [{"do": "summarize"}, {"do": "speak", "format": "wav"}]
    asked: dict[str, dict[str, Any]] = {
        "stt": {"files": {"file": ("a.wav", sound(3))}},
        "tts": {"json": {"text": TEXT, "format": "wav", "cache": False}},
        "summarize": {"json": {"text": TEXT}},
        "pipelines": {"json": {"text": TEXT, "steps": steps}},
    }
    return asked[capability]


@pytest.fixture(scope="module")
def ada(house: SideBySide) -> Person:
    person = Person(house)
    person.register(OLD_API, "ada")
    person.headers = {"Authorization": f"Bearer {person.sign_in(OLD_API, 'ada')}"}
    return person


def test_what_runs_is_the_version_before(release: Release, house: SideBySide) -> None:
    told = "import stentor_common, stentor_stt; print(stentor_common.__file__, stentor_stt.__file__)"
    folder = house.servers.base / "told"
    child = Child(
        Command(release.argv([sys.executable, "-c", told]), folder, house.service(AUTH).environment)
    )
    child.wait_for_success()
    files = child.log_tail().split()
    assert len(files) == 2
    assert all(Path(file).is_relative_to(release.folder) for file in files)
    assert house.in_database(SCHEMA) == "0009_pipelines"


def test_this_version_migrates_while_the_one_before_works(house: SideBySide, ada: Person) -> None:
    """And a process of the version before starts on the newer schema: its jobs have waited."""
    jobs = [(name, ada.submit(OLD_API, name)) for name in (*CAPABILITIES, *["stt"] * 8)]
    before = house.in_database(SCHEMA)
    house.migrate()
    assert house.in_database(SCHEMA) != before
    house.start_old(LATE)
    jobs += [(name, ada.submit(OLD_API, name)) for name in CAPABILITIES]
    for name, job_id in jobs:
        ada.done(OLD_API, name, job_id)


def test_jobs_of_a_kind_that_the_version_before_does_not_know_do_it_no_harm(
    house: SideBySide, ada: Person
) -> None:
    """The way back: they stay in the rows, and its sweeper gives back even those whose worker was lost."""
    house.start_new(DEPLOY)
    sent = {"data": {"name": "twice"}, "files": {"archive": package()}}
    made = ada.call(NEW_API, "deploy", "POST", "/v1/deployments", **sent)
    assert made.status_code == 202, made.text
    house.in_database(LOSE)
    assert set(house.end(NEW + DEPLOY, NEW + AUTH).values()) == {0}
    eventually(lambda: house.in_database(BUILD) == "queued 1", seconds=20)
    for capability in CAPABILITIES:
        ada.done(OLD_API, capability, ada.submit(OLD_API, capability))
    job_id = house.in_database("SELECT id::text FROM job WHERE kind = 'deploy.build'")
    assert ada.call(OLD_API, "stt", "GET", f"/v1/jobs/{job_id}").json()["status"] == "queued"
    # The catalog is of all that was reported, and old processes read it.
    assert names(ada.call(OLD_API, "stt", "GET", "/v1/models"))


class TestNewApisAndOldWorkers:
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _beside(cls, house: SideBySide) -> None:
        house.start_new(*APIS)

    @pytest.mark.parametrize("capability", CAPABILITIES)
    def test_a_job_that_either_makes_is_read_by_both(self, ada: Person, capability: str) -> None:
        is_done_for_both(ada, capability)

    def test_whoever_signs_in_at_one_is_known_at_the_other(self, house: SideBySide, ada: Person) -> None:
        grace = Person(house)
        grace.register(NEW_API, "grace")
        for here, there in ((OLD_API, NEW_API), (NEW_API, OLD_API)):
            grace.headers = {"Authorization": f"Bearer {grace.sign_in(here, 'grace')}"}
            made = grace.call(here, AUTH, "POST", "/v1/tokens", json={"name": here})
            assert made.status_code == 201, made.text
            for credential in (grace.headers, {"x-access-token": made.json()["token"]}):
                grace.headers = credential
                assert grace.call(there, "stt", "GET", "/v1/transcriptions").status_code == 200
                assert grace.call(there, AUTH, "GET", "/v1/users/me").json()["username"] == "grace"

    @pytest.mark.parametrize(("here", "there"), [(OLD_API, NEW_API), (NEW_API, OLD_API)])
    def test_an_upload_and_a_vocabulary_serve_both(self, ada: Person, here: str, there: str) -> None:
        upload = ada.call(here, "stt", "POST", "/v1/uploads", files={"file": ("a.wav", sound())}).json()["id"]
        words = {"hotwords": [{"text": "Mariners"}]}
        assert ada.call(here, "stt", "PUT", f"/v1/vocabularies/{here}", json=words).is_success
        asked = {"upload_id": upload, "vocabulary": here}
        made = ada.call(there, "stt", "POST", "/v1/transcriptions", json=asked)
        assert made.status_code == 202, made.text
        assert ada.done(here, "stt", made.json()["id"])["text"] == "Hello world."

    def test_questions_reach_whoever_can_answer(self, house: SideBySide, ada: Person) -> None:
        are_answered_for_both(house, ada)

    def test_both_tell_the_same_models(self, ada: Person) -> None:
        models = [names(ada.call(version, "stt", "GET", "/v1/models")) for version in (OLD_API, NEW_API)]
        assert models[0] == models[1]
        assert any("hears" in name for name in models[0])


def package() -> tuple[str, bytes]:
    """A model that doubles."""
    files = {
        "config.yaml": "model_name: twice\n",
        "model/model.py": "class Model:\n    def predict(self, given):\n        return given * 2\n",
    }
    return "model.tar.gz", packed(files)


def names(answer: httpx2.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {each["id"] for each in answer.json()["data"] if "twice" not in each["id"]}


def is_done_for_both(person: Person, capability: str) -> None:
    for maker in (OLD_API, NEW_API):
        job_id = person.submit(maker, capability, headers={"Prefer": "wait=30"})
        told = [person.done(version, capability, job_id) for version in (OLD_API, NEW_API)]
        assert without_addresses(told[0]) == without_addresses(told[1])
        for version in (OLD_API, NEW_API):
            if capability == "tts":
                audio = person.call(version, capability, "GET", f"/v1/speech/{job_id}/audio")
                assert audio.content.startswith(b"RIFF")
            listed = person.call(version, capability, "GET", PLACES[capability]).json()["data"]
            assert job_id in [each["id"] for each in listed]


def without_addresses(told: Any) -> Any:
    """Links name the API that was asked."""
    if isinstance(told, dict):
        return {name: without_addresses(value) for name, value in told.items() if not name.endswith("url")}
    return [without_addresses(each) for each in told] if isinstance(told, list) else told


def are_answered_for_both(house: SideBySide, person: Person) -> None:
    """Live speech and sound that is spoken while somebody listens go to workers over the broker."""
    for version, name in ((OLD_API, "stt-api"), (NEW_API, NEW + "stt-api")):
        address = house.service(name).url.replace("http", "ws", 1) + "/v1/transcriptions/live"
        with connect(address) as session:
            session.send("{}")
            assert json.loads(session.recv(timeout=30))["type"] == "ready"
            session.send(b"\x00\x40\x00\xc0" * 8_000)
            session.send('{"type": "finish"}')
            told = [json.loads(each) for each in session]
        assert told[-1]["type"] == "done"
        assert "Hello world." in [each.get("text") for each in told]
        asked = {"text": TEXT, "format": "wav", "cache": False}
        spoken = person.call(version, "tts", "POST", "/v1/speech/stream", json=asked)
        assert (spoken.status_code, spoken.content[:4]) == (200, b"RIFF"), spoken.text


def test_workers_are_exchanged_one_by_one_and_nobody_notices(house: SideBySide, ada: Person) -> None:
    """Of two pools, while forty jobs run and requests come, at the APIs of both versions."""
    house.route(*([name, NEW + name] for name in APIS))
    jobs = [(name, ada.submit(OLD_API, name)) for name in ("stt", "tts") for _ in range(20)]
    with calling(house, ada) as answers:
        for name in POOLS:
            house.start_new(name)
            assert house.end(name) == {name: 0}
    for name, job_id in jobs:
        ada.done(OLD_API, name, job_id)
    assert answers.keys() == {"200", "stt completed", "tts completed"}, answers


@contextmanager
def calling(house: SideBySide, person: Person) -> Iterator[Counter[str]]:
    """Requests come through the proxy while the block lasts; what became of them."""
    answers, over = Counter[str](), threading.Event()

    def call(capability: str) -> None:
        with httpx2.Client(base_url=house.url, headers=person.headers, timeout=60) as client:
            while not over.is_set():
                try:
                    asked = {**asked_of(capability), "headers": {"Prefer": "wait=30"}}
                    told = client.post(PLACES[capability], **asked).json()
                    answers[f"{capability} {told.get('status', told)}"] += 1
                    answers[str(client.get("/v1/models").status_code)] += 1
                except httpx2.HTTPError as error:
                    answers[repr(error)] += 1

    threads = [threading.Thread(target=call, args=[name]) for name in ("stt", "tts")]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


class TestOldApisAndNewWorkers:
    @pytest.fixture(autouse=True, scope="class")
    @classmethod
    def _others_too(cls, house: SideBySide) -> None:
        house.start_new(*OTHERS)
        assert set(house.end(*OTHERS).values()) == {0}

    @pytest.mark.parametrize("capability", CAPABILITIES)
    def test_a_job_that_either_makes_is_read_by_both(self, ada: Person, capability: str) -> None:
        is_done_for_both(ada, capability)

    def test_questions_reach_whoever_can_answer(self, house: SideBySide, ada: Person) -> None:
        are_answered_for_both(house, ada)


def test_the_old_ones_end_and_nothing_is_lost(house: SideBySide, ada: Person) -> None:
    house.start_new(DEPLOY, "deploy-worker-1")
    house.route(*([NEW + name] for name in (AUTH, *APIS, DEPLOY)))
    assert set(house.end(AUTH, *APIS).values()) == {0}
    eventually(lambda: house.in_database(UNFINISHED) is None, seconds=30)
    headers = ada.headers
    with httpx2.Client(base_url=house.url, headers=headers, timeout=60) as client:
        answer = client.post("/v1/deployments/twice/predict", json=21)
        assert (answer.status_code, answer.json()) == (200, 42), answer.text
    assert house.in_database("SELECT max(attempts) FROM job WHERE kind <> 'deploy.build'") == 1
    assert written_results(house) == Counter(dict.fromkeys(job_ids(house), 1))


def job_ids(house: SideBySide) -> list[str]:
    return str(house.in_database("SELECT string_agg(id::text, ' ') FROM job")).split()


def written_results(house: SideBySide) -> Counter[str]:
    """How often a worker said that it wrote the outcome of a job."""
    found = Counter[str]()
    for log in house.servers.base.glob("*worker*/output.log"):
        for line in log.read_text().splitlines():
            told = json.loads(line) if line.startswith("{") else {}
            if told.get("event") == "job ended" and told["recorded"]:
                found[told["job_id"]] += 1
    return found
