"""A client of Deepgram's contract, unchanged: a recording in, the transcript out, or sent to a callback."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, Received, Receiver, receiver
from stentor_stt.options import Diarization, Hotword, Spelling
from stentor_stt.transcriptions import Transcription

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]
Query = dict[str, Any]

WAV_HEADER = 44


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK}


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def heard(client: httpx2.AsyncClient, query: Query | None = None, **sent: Any) -> dict[str, Any]:
    answer = await client.post("/v1/listen", params=query, **({"content": sound()} | sent))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def best(found: dict[str, Any]) -> dict[str, Any]:
    [channel] = found["results"]["channels"]
    [alternative] = channel["alternatives"]
    assert isinstance(alternative, dict)
    return alternative


async def asked_of(runtime: Runtime, request_id: str) -> Transcription:
    async with runtime.db.reading() as session:
        return Transcription.of((await session.get_one(Job, uuid.UUID(request_id))).request)


async def accepted(client: httpx2.AsyncClient, owner: Headers, query: Query, **sent: Any) -> str:
    """The request id of a recording whose result is sent to a callback."""
    found = await heard(client, query, headers=owner, **sent)
    assert found.keys() == {"request_id"}
    return str(found["request_id"])


@pytest.mark.parametrize(
    "kind", ["audio/wav", "application/octet-stream", "application/x-www-form-urlencoded"]
)
async def test_a_recording_is_answered_with_its_transcript(client: httpx2.AsyncClient, kind: str) -> None:
    answer = await client.post("/v1/listen", content=sound(), headers={"content-type": kind})
    assert answer.status_code == 200
    found = answer.json()
    told = best(found)
    assert told["transcript"] == "hello world how are you"
    assert told["words"][1] == {
        "word": "world",
        "start": 0.25,
        "end": 0.5,
        "confidence": 0.9,
        "punctuated_word": "world.",
    }
    metadata = found["metadata"]
    assert metadata["request_id"] == answer.headers["dg-request-id"]
    assert (metadata["duration"], metadata["channels"]) == (1.0, 1)
    assert len(metadata["sha256"]) == 64
    assert list(metadata["model_info"]) == metadata["models"]
    assert "warnings" not in metadata


async def test_the_answer_can_be_read_again_by_its_id(client: httpx2.AsyncClient) -> None:
    found = await heard(client)
    job = (await client.get(f"/v1/transcriptions/{found['metadata']['request_id']}")).json()
    assert (job["status"], job["text"]) == ("completed", "Hello world. How are you?")


async def test_a_recording_named_by_url(client: httpx2.AsyncClient) -> None:
    upload = await client.post("/v1/uploads", files={"file": ("a.wav", sound())})
    body = {"url": upload.json()["url"]}
    answer = await client.post("/v1/listen", json=body, params={"smart_format": "true"})
    assert answer.status_code == 200
    assert best(answer.json())["transcript"] == "Hello world. How are you?"


async def test_what_is_asked_for_is_laid_out(client: httpx2.AsyncClient) -> None:
    query = {
        "punctuate": "true",
        "paragraphs": "true",
        "utterances": "true",
        "detect_language": "true",
        "search": ["how are", "nobody"],
        "tag": ["one", "two"],
        "extra": ["callback_secret:42", "who:ada"],
    }
    found = await heard(client, query)
    told = best(found)
    assert told["transcript"] == "Hello world. How are you?"
    assert told["paragraphs"]["paragraphs"][0]["sentences"][0]["text"] == "Hello world."
    assert "".join(each["transcript"] for each in found["results"]["utterances"]).startswith("Hello world.")
    [channel] = found["results"]["channels"]
    assert channel["detected_language"] == "en"
    assert [len(each["hits"]) for each in channel["search"]] == [1, 0]
    assert found["metadata"]["tags"] == ["one", "two"]
    assert found["metadata"]["extra"] == {"callback_secret": "42", "who": "ada"}


async def test_options_reach_the_core(api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp) -> None:
    query = {
        "model": "nova-3",
        "language": "en-US",
        "diarize": "true",
        "multichannel": "true",
        "keywords": ["Norland:2", "Dashwood"],
        "keyterm": "Elinor",
        "replace": ["eleanor:Elinor", "um"],
        "callback": "https://example.com/",
    }
    request_id = await accepted(api, await sign_up("ada"), query)
    asked = await asked_of(runtime, request_id)
    assert asked.options.language == "en"
    assert asked.options.diarization == Diarization()
    assert asked.options.split_channels
    assert asked.options.hotwords == (Hotword("Norland", 15.0), Hotword("Dashwood"), Hotword("Elinor"))
    assert asked.options.spelling == (Spelling("eleanor", "Elinor"), Spelling("um", ""))
    assert asked.contract == "deepgram"


async def test_a_diarizer_by_name_tells_speakers_apart_too(
    api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp
) -> None:
    query = {"diarize_model": "latest", "callback": "https://example.com/"}
    asked = await asked_of(runtime, await accepted(api, await sign_up("ada"), query))
    assert asked.options.diarization == Diarization()


async def test_what_is_not_done_is_told_in_warnings(client: httpx2.AsyncClient) -> None:
    query = {
        "model": "nova-3-medical",
        "numerals": "true",
        "topics": "true",
        "sentiment": "false",
        "mip_opt_out": "true",
    }
    warnings = (await heard(client, query))["metadata"]["warnings"]
    assert {each["parameter"] for each in warnings} == {"model", "numerals", "topics"}
    assert all(each["type"] and each["message"] for each in warnings)


@pytest.mark.parametrize(
    ("query", "content", "status", "code", "said"),
    [
        ({}, b"", 400, "Bad Request", "empty"),
        ({}, b"no sound", 400, "Bad Request", "sound"),
        ({"redact": "pci"}, None, 400, "Bad Request", "redact is not done"),
        ({"profanity_filter": "true"}, None, 400, "Bad Request", "profanity_filter is not done"),
        ({"model": "gpt-9"}, None, 400, "Bad Request", "'gpt-9'"),
        ({"language": "tlh"}, None, 400, "Bad Request", "'tlh' is not known"),
        ({"utt_split": "-1"}, None, 400, "Bad Request", "utt_split"),
        ({"punctuate": "perhaps"}, None, 400, "Bad Request", "punctuate"),
        ({"callback": "https://example.com/"}, None, 401, "INVALID_AUTH", "needs an account"),
        ({"callback_method": "GET"}, None, 400, "Bad Request", "callback_method"),
    ],
)
async def test_errors_are_told_in_their_words(
    client: httpx2.AsyncClient, query: Query, content: bytes | None, status: int, code: str, said: str
) -> None:
    sent = sound() if content is None else content
    answer = await client.post("/v1/listen", params=query, content=sent)
    assert answer.status_code == status
    found = answer.json()
    assert found.keys() == {"err_code", "err_msg", "request_id"}
    assert (found["err_code"], said in found["err_msg"]) == (code, True)
    assert str(uuid.UUID(found["request_id"])) == answer.headers["dg-request-id"]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"json": {}}, "url"),
        ({"json": {"url": ""}}, "url"),
        ({"json": ["https://example.com"]}, "JSON object"),
        ({"content": "{", "headers": {"content-type": "application/json"}}, "not valid JSON"),
        ({"files": {"file": ("a.wav", b"x")}}, "body itself"),
        ({"json": {"url": "http://127.0.0.1/a.wav"}}, "not public"),
    ],
)
async def test_a_body_that_is_none_is_refused(
    client: httpx2.AsyncClient, sent: dict[str, Any], said: str
) -> None:
    answer = await client.post("/v1/listen", **sent)
    assert (answer.status_code, said in answer.json()["err_msg"]) == (400, True), answer.text


async def test_nothing_is_kept_of_a_recording_that_is_refused(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    refused = await api.post("/v1/listen", content=sound(), headers={"idempotency-key": "x" * 256})
    assert refused.status_code == 400
    assert not [path for path in (runtime.settings.data_dir / "objects").rglob("*") if path.is_file()]


async def test_a_bad_key_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/v1/listen", content=sound(), headers={"Authorization": "Token wrong"})
    assert (answer.status_code, answer.json()["err_code"]) == (401, "INVALID_AUTH")


@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 1000, "max_upload_bytes": 50_000}])
async def test_a_recording_may_be_larger_than_a_usual_body_and_has_a_limit(
    client: httpx2.AsyncClient,
) -> None:
    assert best(await heard(client))["words"]
    large = await client.post("/v1/listen", content=sound(2))
    assert (large.status_code, "50000 bytes" in large.json()["err_msg"]) == (413, True)
    named = await client.post("/v1/listen", json={"url": "https://example.com/" + "x" * 1000})
    assert (named.status_code, "1000 bytes" in named.json()["err_msg"]) == (413, True)


@pytest.mark.parametrize("chunked", [False, True])
async def test_samples_without_a_container_are_understood(client: httpx2.AsyncClient, chunked: bool) -> None:
    samples = sound()[WAV_HEADER:]

    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(samples), 5000):
            yield samples[at : at + 5000]

    query = {"encoding": "linear16", "sample_rate": 16_000}
    found = await heard(client, query, content=pieces() if chunked else samples)
    assert found["metadata"]["duration"] == 1.0
    query = {"encoding": "linear16", "sample_rate": 8000, "channels": 2}
    assert (await heard(client, query, content=samples))["metadata"]["duration"] == 1.0
    query = {"encoding": "mulaw", "sample_rate": 8000}
    assert (await heard(client, query, content=samples))["metadata"]["duration"] == 4.0


@pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])
async def test_when_the_client_goes_away_its_job_is_stopped(
    client: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    waiting = asyncio.create_task(client.post("/v1/listen", content=sound(), headers=owner))

    async def only_job(status: str) -> bool:
        listed = (await client.get("/v1/transcriptions", headers=owner)).json()["data"]
        return [each["status"] for each in listed] == [status]

    await eventually(lambda: only_job("running"))
    waiting.cancel()
    await eventually(lambda: only_job("cancelled"))


async def arrived(server: Receiver) -> Received:
    async def there() -> bool:
        return bool(server.received)

    await eventually(there)
    return server.received[0]


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_callback_is_sent_the_whole_answer(
    client: httpx2.AsyncClient,
    runtime: Runtime,
    services: list[Service],
    sign_up: SignUp,
    server: Receiver,
    method: str,
) -> None:
    owner = await sign_up("ada")
    made = await client.post("/v1/tokens", json={"name": "sdk"}, headers=owner)
    key = {"Authorization": f"Token {made.json()['token']}"}
    url = server.url.replace("http://", "http://user:s%40fe@")
    query = {"callback": f"{url}/done?x=1", "callback_method": method.lower(), "punctuate": "true"}
    async with background(runtime, services):
        request_id = await accepted(client, key, query)
        message = await arrived(server)
    assert (message.method, message.path) == (method, "/done?x=1")
    assert message.headers["authorization"] == f"Basic {base64.b64encode(b'user:s@fe').decode()}"
    assert message.headers["dg-token"] == made.json()["id"]
    assert message.json["metadata"]["request_id"] == request_id
    assert best(message.json)["transcript"] == "Hello world. How are you?"
    job = (await client.get(f"/v1/transcriptions/{request_id}", headers=key)).json()
    assert job["text"] == "Hello world. How are you?"


async def test_a_callback_is_told_of_a_failure(
    client: httpx2.AsyncClient,
    runtime: Runtime,
    services: list[Service],
    sign_up: SignUp,
    server: Receiver,
) -> None:
    owner = await sign_up("ada")
    async with background(runtime, services):
        request_id = await accepted(client, owner, {"callback": server.url}, content=b"no sound")
        message = await arrived(server)
    assert message.json.keys() == {"err_code", "err_msg", "request_id"}
    assert message.json["request_id"] == request_id


async def test_the_password_of_a_callback_is_neither_shown_nor_kept_readable(
    api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    url = server.url.replace("http://", "http://user:sesame@")
    request_id = await accepted(api, owner, {"callback": url})
    log = await api.get(f"/v1/jobs/{request_id}/webhooks", headers=owner)
    assert log.json()["data"][0]["url"].rstrip("/") == server.url
    assert "sesame" not in log.text
    assert "sesame" not in json.dumps((await asked_of(runtime, request_id)).to_json())
