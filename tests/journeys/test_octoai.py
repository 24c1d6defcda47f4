"""A client of OctoAI's endpoints, unchanged: answers now, later, and bit by bit."""

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.auth import Scope
from stentor_common.catalog import Offer, OfferRepository
from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.sweep import expire_jobs
from stentor_common.testing import eventually, sound

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/endpoints/whisper"
AUDIO = base64.b64encode(sound()).decode()
LATER = {"X-OctoAI-Async": "1"}
STREAM = {"accept": "text/event-stream"}
INPUTS = {"audio": AUDIO, "language": "en", "task": "transcribe"}
SLOW = pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])


async def ready(client: httpx2.AsyncClient, poll_url: str, headers: Headers | None = None) -> dict[str, Any]:
    """What polling ends with."""

    async def look() -> dict[str, Any] | None:
        answer = await client.get(poll_url, headers=headers)
        assert answer.status_code in (200, 202)
        found: dict[str, Any] = answer.json()
        done = found["status"] == "completed"
        assert done == (answer.status_code == 200)
        return found if done else None

    found = await eventually(look)
    assert found is not None
    return found


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_recording_in_the_body_is_answered_with_segments_and_text(
    client: httpx2.AsyncClient, slash: str
) -> None:
    answer = await client.post(f"{BASE}/predict{slash}", json=INPUTS)
    assert answer.status_code == 200
    found = answer.json()
    assert {*found} == {"prediction_time_ms", "response", "transcription"}
    assert found["transcription"] == "Hello world. How are you?"
    assert found["response"]["language"] == "en"
    first, second = found["response"]["segments"]
    assert (first["id"], first["start"], first["end"], first["text"]) == (0, 0.0, 0.5, "Hello world.")
    assert (second["id"], second["start"], second["end"], second["text"]) == (1, 0.5, 1.0, "How are you?")
    assert found["prediction_time_ms"] >= 0


async def test_infer_has_the_text_as_output_too(client: httpx2.AsyncClient) -> None:
    found = (await client.post(f"{BASE}/infer", json=INPUTS)).json()
    assert found["output"] == found["transcription"] == "Hello world. How are you?"
    assert found["response"]["segments"][0]["text"] == "Hello world."
    assert found["analytics"] == {
        "inference_time_ms": found["prediction_time_ms"],
        "performance_time_ms": found["prediction_time_ms"],
    }


@pytest.mark.parametrize(
    "recording",
    [
        {"audio": AUDIO},
        {"audio": f"data:audio/wav;base64,{AUDIO}"},
        {"audio": {"data": AUDIO}},
        {"audio": {"audio_b64": AUDIO}},
        {"audio_b64": AUDIO},
        {"audio": AUDIO.rstrip("=")},
        {"audio": base64.urlsafe_b64encode(sound()).decode()},
        {"audio": "\n".join(AUDIO[at : at + 76] for at in range(0, len(AUDIO), 76))},
    ],
)
async def test_a_recording_comes_in_every_form_that_clients_write(
    client: httpx2.AsyncClient, recording: dict[str, Any]
) -> None:
    answer = await client.post(f"{BASE}/predict", json=recording)
    assert (answer.status_code, answer.json().get("transcription")) == (200, "Hello world. How are you?")


@pytest.mark.parametrize("form", [lambda url: {"url": url}, lambda url: {"audio": {"data": {"url": url}}}])
async def test_a_recording_may_be_elsewhere(
    client: httpx2.AsyncClient, form: Callable[[str], dict[str, Any]]
) -> None:
    uploaded = (await client.post("/v1/uploads", files={"file": ("a.wav", sound())})).json()
    answer = await client.post(f"{BASE}/predict", json=form(uploaded["url"]))
    assert answer.json()["transcription"] == "Hello world. How are you?"


async def test_a_recording_may_be_a_file_in_a_form(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{BASE}/infer", data={"language": "en"}, files={"audio": ("a.wav", sound())})
    assert answer.json()["output"] == "Hello world. How are you?"


async def test_an_answer_for_later_is_exactly_the_one_that_would_have_come_at_once(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post(f"{BASE}/infer", json=INPUTS, headers=LATER)
    assert answer.status_code == 200
    future = answer.json()
    assert {*future} == {"response_id", "poll_url"}
    assert future["poll_url"] == f"http://stentor/v1/requests/{future['response_id']}"

    polled = await ready(client, future["poll_url"])
    later = await client.get(polled["response_url"])
    assert later.status_code == 200
    now = (await client.post(f"{BASE}/infer", json=INPUTS)).json()
    assert later.json().keys() == now.keys()
    assert (later.json()["output"], later.json()["response"]) == (now["output"], now["response"])
    assert (await client.get(polled["response_url"])).json() == later.json()


async def test_many_futures_are_collected_and_polled(client: httpx2.AsyncClient) -> None:
    posts = [client.post(f"{BASE}/predict", json=INPUTS, headers=LATER) for _ in range(5)]
    futures = [answer.json() for answer in await asyncio.gather(*posts)]
    assert len({future["response_id"] for future in futures}) == 5
    for future in futures:
        polled = await ready(client, future["poll_url"])
        assert (await client.get(polled["response_url"])).json()["transcription"]


async def test_a_future_is_pending_while_it_waits(api: httpx2.AsyncClient) -> None:
    future = (await api.post(f"{BASE}/predict", json=INPUTS, headers=LATER)).json()
    answer = await api.get(future["poll_url"])
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    early = await api.get(f"/v1/responses/{future['response_id']}")
    assert early.status_code == 409


@SLOW
async def test_a_future_is_running_while_it_runs(client: httpx2.AsyncClient) -> None:
    future = (await client.post(f"{BASE}/predict", json=INPUTS, headers=LATER)).json()

    async def running() -> bool:
        answer = await client.get(future["poll_url"])
        assert answer.status_code == 202
        return bool(answer.json()["status"] == "running")

    await eventually(running)


async def test_a_future_that_failed_is_completed_with_the_error_as_its_response(
    client: httpx2.AsyncClient,
) -> None:
    broken = {"audio": base64.b64encode(b"no sound").decode()}
    future = (await client.post(f"{BASE}/predict", json=broken, headers=LATER)).json()
    later = await client.get((await ready(client, future["poll_url"]))["response_url"])
    now = await client.post(f"{BASE}/predict", json=broken)
    assert later.status_code == now.status_code == 400
    assert later.json() == now.json()
    assert later.json()["error"]["code"] == "audio_unreadable"


async def test_a_stream_has_lines_of_data_and_nothing_else(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{BASE}/predict", json=INPUTS, headers=STREAM)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    parts = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert " ".join(part["transcription"] for part in parts) == "Hello world. How are you?"
    segments = [segment for part in parts for segment in part["response"]["segments"]]
    assert [segment["id"] for segment in segments] == [0, 1]


async def test_parts_of_a_long_recording_make_the_whole(client: httpx2.AsyncClient) -> None:
    long = {"audio": base64.b64encode(sound(75)).decode()}
    whole = (await client.post(f"{BASE}/predict", json=long)).json()
    answer = await client.post(f"{BASE}/predict", json=long, headers=STREAM)
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    parts = [json.loads(line) for line in lines[:-1]]
    assert len(whole["response"]["segments"]) > 2
    assert [segment for part in parts for segment in part["response"]["segments"]] == whole["response"][
        "segments"
    ]
    assert " ".join(part["transcription"] for part in parts) == whole["transcription"]


async def test_a_stream_that_goes_wrong_before_it_begins_has_a_status(client: httpx2.AsyncClient) -> None:
    broken = {"audio": base64.b64encode(b"no sound").decode()}
    answer = await client.post(f"{BASE}/predict", json=broken, headers=STREAM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "audio_unreadable")


async def test_the_endpoint_says_where_it_is_documented(client: httpx2.AsyncClient) -> None:
    found = (await client.get(f"{BASE}/")).json()
    assert found == {"docs": "http://stentor/docs", "openapi": "http://stentor/openapi.json"}
    assert (await client.get(found["openapi"])).status_code == 200


async def test_it_is_healthy_once_a_worker_offers_a_model(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    answer = await api.get(f"{BASE}/healthcheck")
    assert (answer.status_code, answer.json()["status"]) == (503, "SETUP_SERVICE")

    await offered(runtime, available=False)
    answer = await api.get(f"{BASE}/healthcheck")
    assert (answer.status_code, answer.json()["reason"]) == (503, "no weights")

    await offered(runtime, available=True)
    answer = await api.get(f"{BASE}/healthcheck")
    assert answer.status_code == 200
    assert answer.json() == {"status": "RUNNING", "async_enable": True, "healthy": "yes"}


async def offered(runtime: Runtime, *, available: bool) -> None:
    """What a worker reports."""
    offer = Offer("speech-to-text", "whisper", "m", available, "" if available else "no weights")
    async with runtime.begin() as work:
        await OfferRepository(work.session).report(uuid.UUID(int=1), [offer], runtime.clock.now())


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"json": {}}, 400, "`audio`"),
        ({"json": {"audio": "not base64!"}}, 400, "base64"),
        ({"json": {"audio": {"data": 7}}}, 400, "`audio`"),
        ({"json": {**INPUTS, "task": "sing"}}, 400, "task"),
        ({"json": {**INPUTS, "language": "klingon"}}, 400, "klingon"),
        ({"json": [1]}, 400, "JSON object"),
        ({"content": "{"}, 400, "JSON"),
        ({"json": INPUTS, "headers": {"authorization": "Bearer wrong"}}, 401, "API token"),
    ],
)
async def test_what_is_wrong_is_said_with_the_id_of_the_request(
    api: httpx2.AsyncClient, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = await api.post(f"{BASE}/predict", **sent)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert answer.headers["x-user-request-id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 1000, "max_inline_bytes": 50_000}])
async def test_a_body_with_a_recording_has_a_limit_of_its_own(client: httpx2.AsyncClient) -> None:
    assert (await client.post(f"{BASE}/predict", json=INPUTS)).status_code == 200
    large = await client.post(f"{BASE}/predict", json={"audio": "A" * 50_001})
    assert large.status_code == 413


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_polling_is_never_throttled(client: httpx2.AsyncClient) -> None:
    future = (await client.post(f"{BASE}/predict", json=INPUTS, headers=LATER)).json()
    for _ in range(20):
        assert (await client.get(future["poll_url"])).status_code in (200, 202)
    assert (await client.post(f"{BASE}/predict", json=INPUTS)).status_code == 429


async def test_a_response_is_gone_after_a_day(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock
) -> None:
    future = (await client.post(f"{BASE}/predict", json=INPUTS, headers=LATER)).json()
    polled = await ready(client, future["poll_url"])
    clock.advance(hours=23.9)
    await expire_jobs(runtime)
    assert (await client.get(polled["response_url"])).status_code == 200
    clock.advance(hours=0.2)
    await expire_jobs(runtime)
    assert (await client.get(polled["response_url"])).status_code == 404
    assert (await client.get(future["poll_url"])).status_code == 404


async def test_only_its_owner_polls_and_reads(client: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada, bob = await sign_up("ada"), await sign_up("bob")
    future = (await client.post(f"{BASE}/predict", json=INPUTS, headers={**LATER, **ada})).json()
    polled = await ready(client, future["poll_url"], ada)
    for url in (future["poll_url"], polled["response_url"]):
        assert (await client.get(url, headers=ada)).status_code == 200
        assert (await client.get(url, headers=bob)).status_code == 404


async def test_a_transcription_of_another_contract_is_answered_alike(client: httpx2.AsyncClient) -> None:
    job = (await client.post("/v1/transcriptions", files={"file": ("a.wav", sound())})).json()
    polled = await ready(client, f"/v1/requests/{job['id']}")
    found = (await client.get(polled["response_url"])).json()
    assert found["transcription"] == "Hello world. How are you?"


@SLOW
async def test_when_a_client_goes_its_job_is_stopped(client: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada = await sign_up("ada")
    for headers in ({}, STREAM):
        waiting = asyncio.create_task(client.post(f"{BASE}/predict", json=INPUTS, headers={**headers, **ada}))
        await eventually(lambda: states(client, ada, "running"))
        waiting.cancel()
        await asyncio.wait([waiting])
        await eventually(lambda: states(client, ada, "cancelled"))
        assert not await states(client, ada, "running")


async def states(client: httpx2.AsyncClient, headers: Headers, state: str) -> list[Any]:
    answer = await client.get("/v1/transcriptions", params={"status": state}, headers=headers)
    found: list[Any] = answer.json()["data"]
    return found


async def test_a_token_that_may_only_read_makes_no_job(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada = await sign_up("ada")
    asked = {"name": "reader", "scopes": [Scope.jobs_read]}
    token = (await api.post("/v1/tokens", json=asked, headers=ada)).json()["token"]
    answer = await api.post(f"{BASE}/predict", json=INPUTS, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
