"""The distributed form, with stand-ins for the product's own processes."""

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from stentor_dev.distributed import (
    AUTH,
    DEPLOY,
    MIGRATE,
    PIPELINES,
    PROXY,
    STT,
    SUMMARIZE,
    TTS,
    Distributed,
    MemberDied,
)
from stentor_dev.process import StartFailed

pytestmark = pytest.mark.live

STAND_IN = str(Path(__file__).with_name("stand_in.py"))
WORKER = "stt-worker-1"
ARGVS = {
    MIGRATE: (sys.executable, "-c", "import os; print('migrated', os.environ['STENTOR_DATABASE_URL'])"),
    **{
        name: (sys.executable, STAND_IN, name)
        for name in (AUTH, STT, TTS, SUMMARIZE, PIPELINES, DEPLOY, WORKER)
    },
}


@pytest.fixture(scope="module")
def distributed() -> Iterator[Distributed]:
    with Distributed(argvs=ARGVS, settings={"STENTOR_STT_ENGINE": "scripted"}) as started:
        yield started


def ask(port: int, path: str) -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": "stentor.test"})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status == 200 else {}
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/users", AUTH),
        ("/v1/users/me", AUTH),
        ("/v1/token", AUTH),
        ("/v1/tokens/7", AUTH),
        ("/.well-known/jwks.json", AUTH),
        ("/v1/tokenizers", STT),
        ("/v1/audio/transcriptions?x=1", STT),
        ("/speech-to-text/jobs", STT),
        ("/v1/stt/create", STT),
        ("/endpoints/whisper/predict", STT),
        ("/v1/responses/7", STT),
        ("/users", AUTH),
        ("/token", AUTH),
        ("/api/v1", AUTH),
        ("/api/v1/users/7", AUTH),
        ("/api/v1/stt/ws", STT),
        ("/api/v1/mic", STT),
        ("/v1/speech/7/audio", TTS),
        ("/v1/audio/speech", TTS),
        ("/v1/audio/voices", TTS),
        ("/v1/tts", TTS),
        ("/text-to-speech/v1/jobs", TTS),
        ("/v1/summaries/7", SUMMARIZE),
        ("/summarization/v1/jobs", SUMMARIZE),
        ("/v1/pipelines/7/rerun", PIPELINES),
        ("/v1/deployments/iris/predict", DEPLOY),
        ("/v1/models/iris:predict", DEPLOY),
        ("/v1/models/iris", STT),
        ("/v2/models/iris/infer", DEPLOY),
        ("/v2/transcript/7", STT),
        ("/endpoints/iris/infer", DEPLOY),
        ("/model-deployment/v1/models", DEPLOY),
    ],
)
def test_the_proxy_asks_the_service_that_owns_the_path(
    distributed: Distributed, path: str, name: str
) -> None:
    status, seen = ask(distributed.port, path)
    assert (status, seen["name"], seen["path"]) == (200, name, path)


def test_a_path_that_nobody_owns_is_not_found(distributed: Distributed) -> None:
    assert ask(distributed.port, "/metrics")[0] == 404


def test_the_proxy_says_who_asked_and_for_what_host(distributed: Distributed) -> None:
    headers = ask(distributed.port, "/v1/models")[1]["headers"]
    wanted = {"Host": "stentor.test", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http"}
    assert wanted.items() <= headers.items()


def test_a_process_is_told_everything_by_its_environment(distributed: Distributed) -> None:
    stt = ask(distributed.members[STT].port, "/")[1]["told"]
    worker = ask(distributed.members[WORKER].port, "/")[1]["told"]
    auth = ask(distributed.members[AUTH].port, "/")[1]["told"]
    own = {"STENTOR_PORT", "STENTOR_DATA_DIR"}
    assert {name for name in stt if stt[name] != worker[name]} == own
    assert stt.keys() - auth.keys() == {"STENTOR_AUTH_URL"}
    assert stt["STENTOR_AUTH_URL"] == f"http://127.0.0.1:{distributed.members[AUTH].port}"
    assert stt["STENTOR_PUBLIC_URL"] == distributed.url
    assert stt["STENTOR_STT_ENGINE"] == "scripted"


def test_a_killed_member_comes_back_at_its_place(distributed: Distributed) -> None:
    distributed.kill(STT)
    assert ask(distributed.port, "/v1/models")[0] == 502
    distributed.start(STT)
    assert ask(distributed.port, "/v1/models")[0] == 200
    distributed.check()


@pytest.mark.parametrize("name", ["postgres", "rabbitmq", "s3", PROXY])
def test_a_server_can_be_killed_like_any_member(distributed: Distributed, name: str) -> None:
    distributed.kill(name)
    distributed.start(name)
    distributed.check()


def test_a_member_that_dies_by_itself_is_named(distributed: Distributed) -> None:
    child = distributed.members[WORKER].child
    assert child
    child.kill()
    with pytest.raises(MemberDied, match=WORKER):
        distributed.check()
    distributed.start(WORKER)


def test_a_migration_that_fails_stops_the_start() -> None:
    broken = {**ARGVS, MIGRATE: (sys.executable, "-c", "exit('no such revision')")}
    with pytest.raises(StartFailed, match="no such revision"), Distributed(argvs=broken):
        pass
