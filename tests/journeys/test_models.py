"""Models as operators and users see them: what they do, loading and unloading, many jobs at once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from stentor_common.testing import eventually, sound
from stentor_stt.settings import SttSettings

PATH = "/v1/transcriptions"
FILE = {"file": ("talk.wav", sound())}
WAIT = {"Prefer": "wait=20"}
TOKEN = "the operator's own token"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}
LONG_SECONDS = 900


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"admin_token": TOKEN, "anonymous_jobs_per_minute": 0}


@pytest.fixture
def script() -> dict[str, Any]:
    return {"texts": ["Hello world."]}


@pytest.fixture
def scripted(tmp_path: Path, script: dict[str, Any], changed_stt_settings: dict[str, Any]) -> SttSettings:
    """Two models."""
    paths = [str(tmp_path / name) for name in ("first.json", "second.json")]
    for path in paths:
        Path(path).write_text(json.dumps(script))
    return SttSettings(engine="scripted", models=paths, **changed_stt_settings)


@pytest.fixture
def first(scripted: SttSettings) -> str:
    return scripted.models[0]


@pytest.fixture
def second(scripted: SttSettings) -> str:
    return scripted.models[1]


async def model(client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/models/{name}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def change(
    client: httpx2.AsyncClient, name: str, what: str, body: dict[str, Any] | None = None
) -> httpx2.Response:
    return await client.post(f"/v1/models/{name}/{what}", json=body, headers=OPERATOR)


async def test_all_served_models_are_listed_as_clients_of_openai_expect(
    client: httpx2.AsyncClient, first: str, second: str
) -> None:
    found = (await client.get("/v1/models")).json()
    assert found["object"] == "list"
    speech = [each for each in found["data"] if each["capability"] == "speech-to-text"]
    assert [each["id"] for each in speech] == sorted([first, second])
    for each in speech:
        assert (each["object"], each["created"], each["owned_by"]) == ("model", 0, "whisper")


async def test_a_model_tells_what_it_does(client: httpx2.AsyncClient, first: str) -> None:
    before = await model(client, first)
    assert (before["status"], before["loaded"], before["last_used"]) == ("idle", False, None)
    assert (before["copies"], before["pinned"], before["jobs"]) == (0, False, 0)
    await client.post(PATH, files=FILE, headers=WAIT)
    after = await model(client, first)
    assert (after["status"], after["loaded"], after["copies"]) == ("loaded", True, 1)
    assert after["last_used"]


async def test_a_model_has_several_names(client: httpx2.AsyncClient, first: str) -> None:
    assert (await model(client, "whisper-1"))["id"] == first
    answer = await client.post(PATH, files=FILE, data={"model": "whisper-1"}, headers=WAIT)
    assert answer.json()["model"] == first


@pytest.mark.parametrize("path", ["/v1/models/whisper-huge", "/v1/models/owner/whisper-huge"])
async def test_what_is_not_served_is_answered_with_what_is(
    client: httpx2.AsyncClient, path: str, first: str, second: str
) -> None:
    answer = await client.get(path)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert path.removeprefix("/v1/models/") in error["message"]
    assert first in error["message"]
    assert second in error["message"]


async def test_the_operator_loads_a_model_before_it_is_needed(
    client: httpx2.AsyncClient, second: str
) -> None:
    answer = await change(client, second, "load")
    assert (answer.status_code, answer.json()["status"]) == (200, "loaded")
    assert (answer.json()["pinned"], answer.json()["copies"]) == (False, 1)


@pytest.mark.parametrize("changed_stt_settings", [{"idle_unload_seconds": 0}])
async def test_a_pinned_model_stays_until_it_is_let_go(client: httpx2.AsyncClient, first: str) -> None:
    assert (await change(client, first, "load", {"pinned": True})).json()["pinned"] is True
    await client.post(PATH, files=FILE, headers=WAIT)
    assert (await model(client, first))["loaded"] is True
    assert (await change(client, first, "load", {"pinned": False})).status_code == 200

    async def gone() -> bool:
        return not (await model(client, first))["loaded"]

    await eventually(gone)


async def test_the_operator_unloads_a_model(client: httpx2.AsyncClient, first: str) -> None:
    await client.post(PATH, files=FILE, headers=WAIT)
    await change(client, first, "load", {"pinned": True})
    answer = await change(client, first, "unload")
    assert (answer.status_code, answer.json()["status"], answer.json()["pinned"]) == (200, "idle", False)
    assert (await client.post(PATH, files=FILE, headers=WAIT)).json()["text"] == "Hello world."


@pytest.mark.parametrize("script", [{"texts": ["Hello world."], "seconds_per_audio_second": 0.5}])
async def test_a_model_in_use_stays_loaded_once(client: httpx2.AsyncClient, first: str) -> None:
    job = (await client.post(PATH, files=FILE)).json()

    async def in_use() -> bool:
        return bool((await model(client, first))["jobs"])

    await eventually(in_use)
    answer = await change(client, first, "unload")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "model_in_use")
    assert (await model(client, first))["copies"] == 1

    async def done() -> bool:
        return bool((await client.get(f"{PATH}/{job['id']}")).json()["status"] == "completed")

    await eventually(done)
    assert (await model(client, first))["copies"] == 1


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({}, 401, "STENTOR_ADMIN_TOKEN"),
        ({"Authorization": "Bearer somebody's guess of it"}, 403, "STENTOR_ADMIN_TOKEN"),
        ({"x-access-token": "the operator's own tokens"}, 403, "STENTOR_ADMIN_TOKEN"),
    ],
)
@pytest.mark.parametrize("what", ["load", "unload"])
async def test_nobody_else_changes_models(
    client: httpx2.AsyncClient, first: str, what: str, headers: dict[str, str], status: int, said: str
) -> None:
    answer = await client.post(f"/v1/models/{first}/{what}", headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert not (await model(client, first))["loaded"]


@pytest.mark.parametrize("changed_settings", [{}])
async def test_without_an_operator_nobody_changes_models(client: httpx2.AsyncClient, first: str) -> None:
    answer = await change(client, first, "load")
    assert answer.status_code == 403
    assert "STENTOR_ADMIN_TOKEN" in answer.json()["error"]["message"]


async def test_a_user_is_no_operator(client: httpx2.AsyncClient, first: str, sign_up: Any) -> None:
    answer = await client.post(f"/v1/models/{first}/load", headers=await sign_up("ann"))
    assert answer.status_code == 403


@pytest.mark.parametrize("changed_stt_settings", [{"preload": ["whisper-1"]}])
async def test_models_can_be_loaded_at_the_start(client: httpx2.AsyncClient, first: str, second: str) -> None:
    async def loaded() -> bool:
        return bool((await model(client, first))["loaded"])

    await eventually(loaded)
    assert not (await model(client, second))["loaded"]


@pytest.mark.parametrize("changed_stt_settings", [{"model_memory_mib": 300}])
async def test_models_make_room_for_each_other(client: httpx2.AsyncClient, first: str, second: str) -> None:
    for name in (first, second, first):
        done = await client.post(PATH, files=FILE, data={"model": name}, headers=WAIT)
        assert done.json()["text"] == "Hello world."
        listed = (await client.get("/v1/models")).json()["data"]
        states = {each["id"]: each["loaded"] for each in listed if each["id"] in (first, second)}
        assert states == {first: name == first, second: name == second}


@pytest.mark.parametrize("changed_stt_settings", [{"model_memory_mib": 100}])
async def test_a_model_that_never_fits_is_refused_with_the_reason(
    client: httpx2.AsyncClient, first: str
) -> None:
    answer = await change(client, first, "load")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_too_large")
    assert "may fill 100 MiB" in answer.json()["error"]["message"]
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    assert (job["status"], job["error"]["code"]) == ("failed", "model_too_large")


@pytest.mark.parametrize("script", [{"texts": ["Hello world."], "seconds_per_audio_second": 0.03}])
@pytest.mark.parametrize("changed_stt_settings", [{"batch_seconds": 0.5, "jobs_at_once": 17}])
async def test_many_short_jobs_are_done_while_a_long_one_runs(client: httpx2.AsyncClient) -> None:
    long = (await client.post(PATH, files={"file": ("book.wav", sound(LONG_SECONDS))})).json()

    async def running() -> bool:
        found = (await client.get(f"{PATH}/{long['id']}")).json()
        return bool(found["progress"] and found["progress"]["fraction"])

    await eventually(running)
    short = await asyncio.gather(*(client.post(PATH, files=FILE, headers=WAIT) for _ in range(16)))
    assert [answer.json()["text"] for answer in short] == ["Hello world."] * 16
    assert (await client.get(f"{PATH}/{long['id']}")).json()["status"] == "running"
    assert (await client.post(f"{PATH}/{long['id']}/cancel")).status_code == 200


async def test_batches_are_counted(client: httpx2.AsyncClient, first: str) -> None:
    await client.post(PATH, files=FILE, headers=WAIT)
    metrics = (await client.get("/metrics")).text
    assert f'stentor_batch_pieces_count{{model="{first}"}} 1.0' in metrics
    assert f'stentor_pieces_waiting{{model="{first}"}} 0.0' in metrics
