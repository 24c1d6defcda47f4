"""A client of the SlashML contract, unchanged: upload, submit, poll, read; by all the paths it knows."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.testing import eventually, sound

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/speech-to-text/v1"
AUDIO = {"audio": ("test_audio.mp3", sound(), "audio/mpeg")}
ALWAYS = {
    "id",
    "status",
    "detail_status",
    "created",
    "service_provider",
    "acoustic_model",
    "language_model",
    "audio_duration",
    "audio_url",
    "confidence",
    "dual_channel",
    "text",
    "words",
    "transcription_data",
}
AT_ONCE = pytest.mark.parametrize("changed_stt_settings", [{"poll_hold_seconds": 0}])


async def uploaded(client: httpx2.AsyncClient) -> str:
    answer = await client.post(f"{BASE}/upload", files=AUDIO)
    assert answer.status_code == 200
    return str(answer.json()["upload_url"])


async def submitted(client: httpx2.AsyncClient, headers: Headers | None = None) -> dict[str, Any]:
    form = {"uploaded_audio_url": await uploaded(client)}
    answer = await client.post(f"{BASE}/jobs", data=form, headers=headers)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("slash", ["", "/"])
async def test_from_upload_to_transcript_on_both_forms_of_every_path(
    client: httpx2.AsyncClient, slash: str
) -> None:
    upload = await client.post(f"{BASE}/upload{slash}", files=AUDIO)
    assert upload.status_code == 200
    url = upload.json()["upload_url"]
    assert upload.json() == {"upload_url": url, "uploaded_url": url}
    assert (await client.get(url)).content == sound()

    job = await client.post(f"{BASE}/jobs{slash}", data={"uploaded_audio_url": url})
    assert job.status_code == 200
    assert job.json()["status"] == "IN_PROGRESS"
    assert job.json()["audio_url"] == url

    done = await client.get(f"{BASE}/jobs/{job.json()['id']}{slash}", params={"service_provider": "whisper"})
    assert done.status_code == 200
    found = done.json()
    assert found.keys() == ALWAYS
    assert (found["status"], found["detail_status"]) == ("COMPLETED", "COMPLETED")
    assert found["text"] == found["transcription_data"]["transcription"] == "Hello world. How are you?"
    assert found["words"] == found["transcription_data"]["words"]
    assert found["words"][1] == {"text": "world.", "start": 250, "end": 500, "confidence": 0.9}
    assert found["audio_duration"] == 1.0
    assert found["service_provider"] == "whisper"


@pytest.mark.parametrize(("submit", "read"), [("transcribe", "transcription"), ("jobs", "jobs")])
async def test_the_paths_of_the_oldest_client_still_work(
    client: httpx2.AsyncClient, submit: str, read: str
) -> None:
    url = await uploaded(client)
    job = (await client.post(f"{BASE}/{submit}/", data={"audio_url": url})).json()
    assert (await client.get(f"{BASE}/{read}/{job['id']}/")).json()["status"] == "COMPLETED"


@pytest.mark.parametrize("name", ["uploaded_audio_url", "audio_url", "upload_url", "uploaded_url"])
@pytest.mark.parametrize("form", ["json", "data", "files"])
async def test_the_url_has_four_names_in_three_kinds_of_bodies(
    api: httpx2.AsyncClient, name: str, form: str
) -> None:
    url = await uploaded(api)
    fields: dict[str, Any] = {name: url, "service_provider": "whisper"}
    if form == "files":
        fields = {key: (None, value) for key, value in fields.items()}
    answer = await api.post(f"{BASE}/jobs", **{form: fields})  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["audio_url"]) == (200, url)


@AT_ONCE
async def test_a_job_that_waits_says_in_progress_with_every_key(api: httpx2.AsyncClient) -> None:
    job = await submitted(api)
    answer = await api.get(f"{BASE}/jobs/{job['id']}")
    assert answer.status_code == 200
    found = answer.json()
    assert found.keys() == ALWAYS
    assert (found["status"], found["detail_status"]) == ("IN_PROGRESS", "QUEUED")
    assert (found["text"], found["words"], found["transcription_data"]) == (
        None,
        None,
        {"transcription": None},
    )


@pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])
@AT_ONCE
async def test_a_job_that_runs_says_so_in_its_details(client: httpx2.AsyncClient) -> None:
    job = await submitted(client)

    async def details() -> bool:
        found = (await client.get(f"{BASE}/jobs/{job['id']}")).json()
        assert found["status"] == "IN_PROGRESS"
        return bool(found["detail_status"] == "IN_PROGRESS")

    await eventually(details)
    await client.post(f"/v1/jobs/{job['id']}/cancel")
    cancelled = await client.get(f"{BASE}/jobs/{job['id']}")
    assert (cancelled.status_code, cancelled.json()["status"]) == (400, "ERROR")


async def test_a_failed_job_is_400_with_every_key_and_the_reason(client: httpx2.AsyncClient) -> None:
    upload = await client.post(f"{BASE}/upload", files={"audio": ("a.mp3", b"no sound")})
    job = (await client.post(f"{BASE}/jobs", data=upload.json())).json()
    answer = await client.get(f"{BASE}/jobs/{job['id']}")
    assert answer.status_code == 400
    found = answer.json()
    assert found.keys() == ALWAYS | {"ERROR", "error"}
    assert (found["id"], found["status"], found["text"]) == (job["id"], "ERROR", None)
    assert found["ERROR"] == found["error"]["message"] != ""


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "said"),
    [
        ("POST", "/jobs", {"data": {}}, 400, "uploaded_audio_url"),
        ("POST", "/jobs", {"data": {"text": "long"}}, 503, "no summarizer runs here"),
        ("POST", "/jobs", {"data": {"audio_url": "http://a/b", "service_provider": "oracle"}}, 400, "oracle"),
        ("POST", "/jobs", {"data": {"audio_url": "http://a/b", "service_provider": "aws"}}, 400, "aws"),
        ("POST", "/jobs", {"json": {"audio_url": "http://a/b", "service_provider": 7}}, 400, "must be text"),
        ("POST", "/jobs", {"json": {"audio_url": ["http://a/b"]}}, 400, "uploaded_audio_url"),
        ("POST", "/jobs", {"content": "{", "headers": {"content-type": "application/json"}}, 400, "JSON"),
        ("POST", "/upload", {"files": {"sound": ("a.mp3", b"x")}}, 400, "multipart form"),
        ("POST", "/upload", {"files": {"audio": ("a.mp3", b"")}}, 400, "empty"),
        ("POST", "/upload", {"content": b"raw bytes"}, 400, "multipart form"),
        ("GET", "/jobs/not-a-uuid", {}, 404, "no job"),
        ("GET", "/nothing", {}, 404, "no such path"),
        ("DELETE", "/jobs", {}, 405, "does not take that method"),
    ],
)
async def test_errors_are_told_as_this_family_tells_them(
    api: httpx2.AsyncClient, method: str, path: str, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = await api.request(method, f"{BASE}{path}", **sent)
    assert answer.status_code == status
    found = answer.json()
    assert found == {"error": {"message": found["ERROR"]}, "status": "ERROR", "ERROR": found["ERROR"]}
    assert said in found["ERROR"]


@pytest.mark.parametrize("spelling", ["Token {}", "Bearer {}", "{}"])
async def test_a_bad_token_is_401_in_any_spelling(api: httpx2.AsyncClient, spelling: str) -> None:
    answer = await api.get(f"{BASE}/jobs", headers={"Authorization": spelling.format("wrong")})
    assert answer.status_code == 401
    assert answer.json() == {"error": {"message": answer.json()["detail"]}, "detail": answer.json()["detail"]}


@pytest.mark.parametrize("changed_stt_settings", [{"provider_aliases": {"assembly": "whisper"}}])
async def test_an_alias_lets_clients_of_a_vendor_run_unchanged(client: httpx2.AsyncClient) -> None:
    form = {"audio_url": await uploaded(client), "service_provider": "assembly"}
    job = (await client.post(f"{BASE}/jobs", data=form)).json()
    assert job["service_provider"] == "whisper"
    assert (await client.get(f"{BASE}/jobs/{job['id']}")).json()["status"] == "COMPLETED"


async def test_a_list_shows_own_jobs_and_nothing_to_strangers(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    mine = await submitted(api, ada)
    await submitted(api)
    assert [job["id"] for job in (await api.get(f"{BASE}/jobs", headers=ada)).json()] == [mine["id"]]
    assert (await api.get(f"{BASE}/jobs/")).json() == []
