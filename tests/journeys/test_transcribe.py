"""A recording is sent and comes back as text: the native contract."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.sweep import expire_jobs
from stentor_common.testing import eventually, sound

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

PATH = "/v1/transcriptions"
WAIT = {"Prefer": "wait=20"}
FILE = {"file": ("talk.wav", sound(), "audio/wav")}


async def job_of(client: httpx2.AsyncClient, headers: Headers | None = None, **form: Any) -> dict[str, Any]:
    answer = await client.post(PATH, files=FILE, data=form, headers=headers)
    assert answer.status_code == 202
    found: dict[str, Any] = answer.json()
    return found


async def finished(client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"{PATH}/{job_id}")).json()
        return found if found["status"] not in ("queued", "running") else None

    found = await eventually(look)
    assert found
    return found


async def test_a_recording_becomes_a_job_and_the_job_a_transcript(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, files=FILE)
    assert answer.status_code == 202
    job = answer.json()
    assert (job["object"], job["status"], job["text"]) == ("transcription", "queued", None)
    assert answer.headers["location"] == f"http://stentor{PATH}/{job['id']}"

    done = await finished(client, job["id"])
    assert (done["status"], done["text"]) == ("completed", "Hello world. How are you?")
    assert (done["language"], done["duration_ms"], done["engine"]) == ("en", 1000, "scripted")
    assert [word["text"] for word in done["words"]] == ["Hello", "world.", "How", "are", "you?"]
    assert [(word["start_ms"], word["end_ms"]) for word in done["words"]][:2] == [(0, 250), (250, 500)]
    assert [(each["start_ms"], each["end_ms"]) for each in done["segments"]] == [(0, 500), (500, 1000)]
    assert done["progress"] is None
    assert done["error"] is None


async def test_who_prefers_to_wait_gets_the_transcript_at_once(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, files=FILE, headers=WAIT)
    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    assert answer.json()["text"] == "Hello world. How are you?"


async def test_who_waits_in_vain_gets_the_job(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, files=FILE, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.json()["progress"] == {
        "stage": "queued",
        "fraction": None,
        "eta_seconds": None,
        "queue_position": 0,
    }


async def test_jobs_know_their_place_in_the_queue(api: httpx2.AsyncClient, clock: ManualClock) -> None:
    for _ in range(2):
        await job_of(api)
        clock.advance(seconds=1)
    assert (await job_of(api))["progress"]["queue_position"] == 2


async def test_an_upload_can_be_transcribed_by_its_id_or_url(client: httpx2.AsyncClient) -> None:
    upload = (await client.post("/v1/uploads", files=FILE)).json()
    assert (upload["filename"], upload["size_bytes"]) == ("talk.wav", len(sound()))
    for source in ({"upload_id": upload["id"]}, {"audio_url": upload["url"]}):
        answer = await client.post(PATH, json=source, headers=WAIT)
        assert answer.json()["text"] == "Hello world. How are you?"


async def test_an_upload_can_be_read_back_and_deleted(client: httpx2.AsyncClient) -> None:
    upload = (await client.post("/v1/uploads", files=FILE)).json()
    answer = await client.get(upload["url"])
    assert answer.content == sound()
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (await client.delete(upload["url"])).status_code == 204
    assert (await client.get(upload["url"])).status_code == 404
    assert (await client.post(PATH, json={"upload_id": upload["id"]})).status_code == 404


@pytest.mark.parametrize(
    ("format", "media_type", "start"),
    [
        ("text", "text/plain", "Hello world."),
        ("srt", "application/x-subrip", "1\n00:00:00,000 --> "),
        ("vtt", "text/vtt", "WEBVTT\n"),
    ],
)
async def test_a_transcript_can_be_had_as_text_or_subtitles(
    client: httpx2.AsyncClient, format: str, media_type: str, start: str
) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    answer = await client.get(f"{PATH}/{job['id']}", params={"format": format})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.text.startswith(start)


async def test_there_are_no_subtitles_before_the_end(api: httpx2.AsyncClient) -> None:
    job = await job_of(api)
    answer = await api.get(f"{PATH}/{job['id']}", params={"format": "srt"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_options_reach_the_engine(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, files=FILE, data={"language": "fr", "word_times": "no"}, headers=WAIT)
    assert (answer.json()["language"], answer.json()["words"]) == ("fr", [])


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        ({"data": {"model": "whisper-huge"}, "files": FILE}, "model_not_found", "whisper-huge"),
        ({"data": {"provider": "deepgram"}, "files": FILE}, "provider_not_configured", "deepgram"),
        ({"data": {"provider": "oracle"}, "files": FILE}, "unknown_provider", "oracle"),
        ({"data": {"tempo": "fast"}, "files": FILE}, "invalid_request", "tempo"),
        ({"data": {"task": "sing"}, "files": FILE}, "invalid_request", "task"),
        ({"json": {}}, "invalid_request", "exactly one"),
        ({"json": {"audio_url": "http://a/b", "upload_id": "c"}}, "invalid_request", "exactly one"),
        ({"json": {"upload_id": "nothing"}}, "not_found", "upload"),
        ({"files": {"file": ("empty.wav", b"")}}, "upload_empty", "empty"),
        ({"files": FILE, "headers": {"Idempotency-Key": "k" * 256}}, "bad_input", "255"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    client: httpx2.AsyncClient, runtime: Runtime, sent: dict[str, Any], code: str, said: str
) -> None:
    answer = await client.post(PATH, **sent)
    assert answer.status_code in (400, 404)
    assert answer.json()["error"]["code"] == code
    assert said in answer.json()["error"]["message"]
    assert stored(runtime) == []


async def test_a_recording_that_is_no_sound_fails_with_a_reason(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, files={"file": ("talk.mp3", b"no sound at all")}, headers=WAIT)
    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]["code"]) == (200, "failed", "audio_unreadable")
    assert job["error"]["message"]


async def test_a_language_the_model_does_not_know_fails_with_a_reason(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, files=FILE, data={"language": "xx"}, headers=WAIT)
    assert answer.json()["error"]["code"] == "unknown_language"
    assert "'xx'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.mp3", "http://10.0.0.1/a.mp3", "http://[::1]/a.mp3"])
async def test_a_url_that_leads_inside_is_refused(client: httpx2.AsyncClient, url: str) -> None:
    answer = await client.post(PATH, json={"audio_url": url}, headers=WAIT)
    assert answer.json()["error"]["code"] == "url_refused"


async def test_a_job_can_be_cancelled_while_it_waits(api: httpx2.AsyncClient) -> None:
    job = await job_of(api)
    for _ in range(2):
        answer = await api.post(f"{PATH}/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


@pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])
async def test_a_job_can_be_cancelled_while_it_runs(client: httpx2.AsyncClient) -> None:
    job = await job_of(client)

    async def running() -> bool:
        found = (await client.get(f"{PATH}/{job['id']}")).json()
        return bool(found["status"] == "running" and found["progress"]["stage"] == "transcribing")

    await eventually(running)
    assert (await client.post(f"{PATH}/{job['id']}/cancel")).json()["status"] == "cancelled"
    assert (await client.get(f"{PATH}/{job['id']}")).json()["status"] == "cancelled"


async def test_what_is_over_cannot_be_cancelled(client: httpx2.AsyncClient) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    answer = await client.post(f"{PATH}/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_deleting_a_job_deletes_the_recording_that_came_with_it(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    assert len(stored(runtime)) == 1
    assert (await client.delete(f"{PATH}/{job['id']}")).status_code == 204
    assert (await client.get(f"{PATH}/{job['id']}")).status_code == 404
    assert (await client.delete(f"{PATH}/{job['id']}")).status_code == 404
    assert stored(runtime) == []


async def test_deleting_a_job_leaves_an_upload_alone(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    upload = (await client.post("/v1/uploads", files=FILE)).json()
    job = (await client.post(PATH, json={"upload_id": upload["id"]}, headers=WAIT)).json()
    await client.delete(f"{PATH}/{job['id']}")
    assert (await client.get(upload["url"])).status_code == 200


@pytest.mark.parametrize("script", [{"texts": ["word " * 5000]}])
async def test_a_large_result_is_an_object_and_goes_with_its_job(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    assert len(job["words"]) == 5000
    assert [name for name in stored(runtime) if name.startswith(f"results/{job['id']}.")]
    await client.delete(f"{PATH}/{job['id']}")
    assert stored(runtime) == []


async def test_progress_is_told_as_events_until_the_end(client: httpx2.AsyncClient) -> None:
    job = await job_of(client)
    answer = await client.get(f"{PATH}/{job['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    names = [line.partition(": ")[2] for line in answer.text.splitlines() if line.startswith("event")]
    assert names[-1] == "completed"
    assert set(names[:-1]) <= {"progress"}
    assert f'"id":"{job["id"]}"' in answer.text.replace(" ", "")


async def test_events_of_a_cancelled_job_end(api: httpx2.AsyncClient) -> None:
    job = await job_of(api)
    following = asyncio.create_task(api.get(f"{PATH}/{job['id']}/events"))
    await asyncio.sleep(0)
    await api.post(f"{PATH}/{job['id']}/cancel")
    assert "event: cancelled" in (await following).text


async def test_any_kind_of_job_is_at_one_path(client: httpx2.AsyncClient) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    found = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert (found["kind"], found["status"], found["attempts"]) == ("stt.transcribe", "completed", 1)
    assert "event: completed" in (await client.get(f"/v1/jobs/{job['id']}/events")).text
    assert (await client.post(f"/v1/jobs/{job['id']}/cancel")).status_code == 409


async def test_a_request_sent_twice_makes_one_job(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = [await client.post(PATH, files=FILE, headers=key | WAIT) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.status_code == 200
    assert len(stored(runtime)) == 1


async def test_a_key_for_one_request_is_no_key_for_another(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    key = {"Idempotency-Key": "once"}
    assert (await api.post(PATH, files=FILE, headers=key)).status_code == 202
    for other in ({"files": {"file": ("b.wav", sound(2))}}, {"files": FILE, "data": {"language": "fr"}}):
        answer = await api.post(PATH, headers=key, **other)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert len(stored(runtime)) == 1


async def test_requests_with_one_key_at_the_same_moment_make_one_job(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    key = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(api.post(PATH, files=FILE, headers=key) for _ in range(5)))
    assert [answer.status_code for answer in answers] == [202] * 5
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(stored(runtime)) == 1


async def test_callers_may_use_the_same_key(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    key = {"Idempotency-Key": "once"}
    ids = {(await job_of(api, key | await sign_up(name)))["id"] for name in ("ada", "bob")}
    assert len(ids) == 2


async def test_a_key_is_free_again_when_its_job_has_expired(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock
) -> None:
    key = {"Idempotency-Key": "once"}
    first = (await client.post(PATH, files=FILE, headers=key | WAIT)).json()
    clock.advance(days=8)
    await expire_jobs(runtime)
    answer = await client.post(PATH, files=FILE, headers=key | WAIT)
    assert answer.status_code == 200
    assert answer.json()["id"] != first["id"]


async def test_an_expired_job_says_so(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock
) -> None:
    job = (await client.post(PATH, files=FILE, headers=WAIT)).json()
    clock.advance(days=8)
    await expire_jobs(runtime)
    answer = await client.get(f"{PATH}/{job['id']}")
    assert answer.status_code == 404
    assert "retention" in answer.json()["error"]["message"]


async def test_a_list_needs_a_token(api: httpx2.AsyncClient) -> None:
    assert (await api.get(PATH)).status_code == 401


async def test_a_list_comes_in_pages_newest_first(
    api: httpx2.AsyncClient, sign_up: SignUp, clock: ManualClock
) -> None:
    ada, bob = await sign_up("ada"), await sign_up("bob")
    await job_of(api, bob)
    made = []
    for _ in range(3):
        clock.advance(seconds=1)
        made.append((await job_of(api, ada))["id"])
    first = (await api.get(PATH, params={"limit": 2}, headers=ada)).json()
    assert [job["id"] for job in first["data"]] == [made[2], made[1]]
    assert first["has_more"]
    rest = {"limit": 2, "after": first["next_after"]}
    second = (await api.get(PATH, params=rest, headers=ada)).json()
    assert [job["id"] for job in second["data"]] == [made[0]]
    assert not second["has_more"]
    assert second["next_after"] is None


async def test_jobs_made_at_the_same_moment_are_each_listed_once(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    made = {(await job_of(api, ada))["id"] for _ in range(3)}
    found: list[str] = []
    after: str | None = None
    while len(found) < 3:
        params = {"limit": 1} | ({"after": after} if after else {})
        page = (await api.get(PATH, params=params, headers=ada)).json()
        found += [job["id"] for job in page["data"]]
        after = page["next_after"]
    assert set(found) == made


async def test_a_list_can_be_limited_to_a_state(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada = await sign_up("ada")
    cancelled, _ = await job_of(api, ada), await job_of(api, ada)
    await api.post(f"{PATH}/{cancelled['id']}/cancel", headers=ada)
    found = (await api.get(PATH, params={"status": "cancelled"}, headers=ada)).json()["data"]
    assert [job["id"] for job in found] == [cancelled["id"]]


@pytest.mark.parametrize("job_id", ["nothing", str(uuid.UUID(int=1)), "../x", "%00", "ä" * 300])
async def test_an_id_that_nobody_has_is_not_found(api: httpx2.AsyncClient, job_id: str) -> None:
    answer = await api.get(f"{PATH}/{job_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/transcriptions/{id}"),
        ("DELETE", "/v1/transcriptions/{id}"),
        ("POST", "/v1/transcriptions/{id}/cancel"),
        ("GET", "/v1/transcriptions/{id}/events"),
        ("GET", "/v1/jobs/{id}"),
        ("POST", "/v1/jobs/{id}/cancel"),
        ("GET", "/v1/jobs/{id}/events"),
        ("GET", "/speech-to-text/v1/jobs/{id}"),
    ],
)
async def test_a_job_of_somebody_else_is_not_found(
    api: httpx2.AsyncClient, sign_up: SignUp, method: str, path: str
) -> None:
    job = await job_of(api, await sign_up("ada"))
    for other in ({}, await sign_up("bob")):
        answer = await api.request(method, path.format(id=job["id"]), headers=other)
        assert answer.status_code == 404


def stored(runtime: Runtime) -> list[str]:
    """Keys of all objects in the store."""
    root = runtime.settings.data_dir / "objects"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
