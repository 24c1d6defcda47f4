"""Webhooks over HTTP: make a secret, ask to be told, check who tells, see what was sent, send it again."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook as Verifier

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, Received, Receiver, receiver
from stentor_common.webhooks.table import WebhookSecret
from stentor_stt.callbacks import CALLBACKS, LONG, WITH_TRANSCRIPT

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]
AUDIO = {"file": ("talk.wav", sound(), "audio/wav")}


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK, "public_url": "https://speech.example.com/"}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
async def telling(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service]
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an installation that works, and tells."""
    async with background(runtime, services):
        yield client


async def arrived(server: Receiver, number: int = 1) -> Received:
    async def there() -> bool:
        return len(server.received) >= number

    await eventually(there)
    return server.received[number - 1]


async def log_of(client: httpx2.AsyncClient, job_id: str, owner: Headers, status: str) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        answer = await client.get(f"/v1/jobs/{job_id}/webhooks", headers=owner)
        assert answer.status_code == 200
        [found] = answer.json()["data"]
        return found if found["status"] == status else None

    found = await eventually(there)
    assert found
    return found


async def test_from_a_secret_to_a_message_that_can_be_trusted(
    telling: httpx2.AsyncClient, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    made = await telling.post("/v1/webhooks/secrets", headers=owner)
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    wish = {"webhook_url": f"{server.url}/done"}
    job = (await telling.post("/v1/transcriptions", files=AUDIO, data=wish, headers=owner)).json()
    assert job["webhook_url"] == f"{server.url}/done"

    message = await arrived(server)
    body = Verifier(made.json()["secret"]).verify(message.body, dict(message.headers))
    assert body["type"] == "transcription.completed"
    assert body["data"]["id"] == job["id"]
    assert body["data"]["links"]["self"] == f"https://speech.example.com/v1/transcriptions/{job['id']}"
    assert "text" not in body["data"]
    done = (await telling.get(f"/v1/transcriptions/{job['id']}", headers=owner)).json()
    assert body["timestamp"].replace("+00:00", "Z") == done["finished_at"]
    assert {name: done[name] for name in body["data"] if name != "links"} == {
        name: value for name, value in body["data"].items() if name != "links"
    }

    log = await log_of(telling, job["id"], owner, "delivered")
    assert (log["url"], log["method"], log["style"]) == (f"{server.url}/done", "POST", "standard")
    assert log["next_attempt_at"] is None
    [attempt] = log["attempts"]
    assert (attempt["status_code"], attempt["error"]) == (200, None)


async def test_a_style_of_its_own_tells_the_transcript_too(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    waited = {"Prefer": "wait=30"}
    done = (await client.post("/v1/transcriptions", files=AUDIO, headers=waited)).json()
    async with runtime.db.reading() as session:
        job = await session.get_one(Job, uuid.UUID(done["id"]))
    body = await CALLBACKS[WITH_TRANSCRIPT].render(runtime, job)
    assert {name: body["data"][name] for name in done if name in LONG} == {name: done[name] for name in LONG}
    assert body["data"]["text"] == "Hello world. How are you?"


async def test_a_failure_is_told_with_its_reason(
    telling: httpx2.AsyncClient, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    await telling.post("/v1/webhooks/secrets", headers=owner)
    files = {"file": ("a.mp3", b"no sound")}
    wish = {"webhook_url": server.url}
    await telling.post("/v1/transcriptions", files=files, data=wish, headers=owner)
    body = (await arrived(server)).json
    assert body["type"] == "transcription.failed"
    assert body["data"]["error"]["code"] == "audio_unreadable"


async def test_it_is_sent_again_on_demand(
    telling: httpx2.AsyncClient, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    await telling.post("/v1/webhooks/secrets", headers=owner)
    server.answers = ["410 Gone"]
    wish = {"webhook_url": server.url}
    job = (await telling.post("/v1/transcriptions", files=AUDIO, data=wish, headers=owner)).json()
    await log_of(telling, job["id"], owner, "failed")
    again = await telling.post(f"/v1/jobs/{job['id']}/webhooks/redeliver", headers=owner)
    assert (again.status_code, again.json()["status"]) == (202, "pending")
    log = await log_of(telling, job["id"], owner, "delivered")
    assert [attempt["status_code"] for attempt in log["attempts"]] == [410, 200]
    first, second = server.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_before_the_end_there_is_nothing_to_send_again(
    api: httpx2.AsyncClient, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    await api.post("/v1/webhooks/secrets", headers=owner)
    told = {"webhook_url": server.url}
    job = (await api.post("/v1/transcriptions", files=AUDIO, data=told, headers=owner)).json()
    early = await api.post(f"/v1/jobs/{job['id']}/webhooks/redeliver", headers=owner)
    assert early.status_code == 409
    silent = (await api.post("/v1/transcriptions", files=AUDIO, headers=owner)).json()
    assert (await api.get(f"/v1/jobs/{silent['id']}/webhooks", headers=owner)).json()["data"] == []
    never = await api.post(f"/v1/jobs/{silent['id']}/webhooks/redeliver", headers=owner)
    assert never.status_code == 404


async def test_there_are_two_secrets_at_most_and_none_is_shown_again(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    made = [(await api.post("/v1/webhooks/secrets", headers=owner)).json() for _ in range(2)]
    third = await api.post("/v1/webhooks/secrets", headers=owner)
    assert third.status_code == 409
    assert third.json()["error"]["code"] == "too_many_webhook_secrets"
    listed = await api.get("/v1/webhooks/secrets", headers=owner)
    assert {each["id"] for each in listed.json()["data"]} == {each["id"] for each in made}
    assert not any(each["secret"] in listed.text for each in made)
    assert (await api.delete(f"/v1/webhooks/secrets/{made[0]['id']}", headers=owner)).status_code == 204
    assert (await api.delete(f"/v1/webhooks/secrets/{made[0]['id']}", headers=owner)).status_code == 404
    assert (await api.post("/v1/webhooks/secrets", headers=owner)).status_code == 201


async def test_nobody_sees_or_deletes_what_is_not_his(
    api: httpx2.AsyncClient, sign_up: SignUp, server: Receiver
) -> None:
    owner, other = await sign_up("ada"), await sign_up("eve")
    secret = (await api.post("/v1/webhooks/secrets", headers=owner)).json()
    told = {"webhook_url": server.url}
    job = (await api.post("/v1/transcriptions", files=AUDIO, data=told, headers=owner)).json()
    for headers in (other, {}):
        assert (await api.get(f"/v1/jobs/{job['id']}/webhooks", headers=headers)).status_code == 404
        again = await api.post(f"/v1/jobs/{job['id']}/webhooks/redeliver", headers=headers)
        assert again.status_code == 404
    assert (await api.delete(f"/v1/webhooks/secrets/{secret['id']}", headers=other)).status_code == 404
    assert (await api.get("/v1/webhooks/secrets", headers=other)).json()["data"] == []
    assert (await api.post("/v1/webhooks/secrets")).status_code == 401


async def test_a_token_for_jobs_alone_makes_no_secret(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    owner = await sign_up("ada")
    token = await api.post("/v1/tokens", json={"name": "jobs", "scopes": ["jobs:write"]}, headers=owner)
    limited = {"Authorization": f"Bearer {token.json()['token']}"}
    assert (await api.post("/v1/webhooks/secrets", headers=limited)).status_code == 403


async def test_secrets_go_with_their_account(
    api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    await api.post("/v1/webhooks/secrets", headers=owner)
    assert (await api.delete("/v1/users/me", headers=owner)).status_code == 204
    async with runtime.db.reading() as session:
        assert await session.scalar(select(WebhookSecret)) is None


@pytest.mark.parametrize(
    ("known", "status", "code"), [(False, 401, "invalid_credentials"), (True, 400, "webhook_secret_missing")]
)
async def test_who_cannot_be_told_safely_is_told_why_at_once(
    api: httpx2.AsyncClient, sign_up: SignUp, server: Receiver, known: bool, status: int, code: str
) -> None:
    caller = await sign_up("ada") if known else {}
    told = {"webhook_url": server.url}
    answer = await api.post("/v1/transcriptions", files=AUDIO, data=told, headers=caller)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("changed_settings", [{}])
async def test_an_inside_address_is_refused_at_once(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    owner = await sign_up("ada")
    await api.post("/v1/webhooks/secrets", headers=owner)
    told = {"webhook_url": "http://169.254.169.254/latest/meta-data"}
    answer = await api.post("/v1/transcriptions", files=AUDIO, data=told, headers=owner)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "webhook_url"
    assert "not public" in answer.json()["error"]["message"]
