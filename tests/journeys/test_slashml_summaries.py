"""A client of the SlashML contract, unchanged, has texts summarized: by all the paths and shapes it knows."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.runtime import Runtime
from stentor_common.testing import sound
from stentor_summarize import inputs

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/summarization/v1"
SPEECH = "/speech-to-text/v1"
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
SUMMARY = "The harbour is closed. Nobody looks at the tides."
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
    "summarization_data",
    "summaries",
}
AT_ONCE = pytest.mark.parametrize("changed_summarize_settings", [{"poll_hold_seconds": 0}])
ECHO = pytest.mark.parametrize("summary_script", [{"kind": "extractive", "token_limit": 9_000_000}])
"""The engine answers the first words of the text."""


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("submit", ["jobs", "summarize"])
async def test_from_text_to_summary_on_both_forms_of_every_path(
    client: httpx2.AsyncClient, submit: str, slash: str
) -> None:
    job = await client.post(f"{BASE}/{submit}{slash}", data={"text": TEXT})
    assert job.status_code == 200
    found = job.json()
    assert found.keys() == ALWAYS
    assert (found["status"], found["summarization_data"], found["summaries"]) == ("IN_PROGRESS", None, [])

    done = await client.get(f"{BASE}/jobs/{found['id']}{slash}", params={"service_provider": "hugging-face"})
    assert done.status_code == 200
    found = done.json()
    assert found.keys() == ALWAYS
    assert (found["status"], found["detail_status"]) == ("COMPLETED", "COMPLETED")
    assert found["summarization_data"] == found["text"] == SUMMARY
    assert found["summaries"] == [{"summary_text": SUMMARY}]
    assert found["service_provider"] == "hugging-face"


@ECHO
@pytest.mark.parametrize(
    "sent",
    [
        {"json": {"text": "One two three."}},
        {"json": {"text": ["One two", "three."]}},
        {"data": {"text": "One two three."}},
        {"data": {"text": ["One two", "three."]}},
        {"files": {"text": (None, "One two three.")}},
        {"content": b'{"text": "One two three."}'},
    ],
)
async def test_a_text_or_a_list_comes_in_any_kind_of_body(
    client: httpx2.AsyncClient, sent: dict[str, Any]
) -> None:
    job = (await client.post(f"{BASE}/jobs", **sent)).json()
    assert (await client.get(f"{BASE}/jobs/{job['id']}")).json()["text"] == "One two three."


@ECHO
async def test_twenty_megabytes_of_a_form_are_taken(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{BASE}/jobs", data={"text": "tides & " * 2_500_000})
    assert answer.status_code == 200
    await client.post(f"/v1/jobs/{answer.json()['id']}/cancel")


async def test_the_text_is_deleted_when_the_job_is_over(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    job = (await client.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    assert (await client.get(f"{BASE}/jobs/{job['id']}")).json()["status"] == "COMPLETED"
    await inputs.sweep(runtime)
    assert [path for path in (runtime.settings.data_dir / "objects").rglob("*") if path.is_file()] == []


@AT_ONCE
async def test_a_job_that_waits_says_in_progress_with_every_key(api: httpx2.AsyncClient) -> None:
    job = (await api.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    found = (await api.get(f"{BASE}/jobs/{job['id']}")).json()
    assert found.keys() == ALWAYS
    assert (found["status"], found["detail_status"], found["text"]) == ("IN_PROGRESS", "QUEUED", None)


@pytest.mark.parametrize("summary_script", [{"texts": ["never"], "fails_after": 0}])
@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
async def test_a_failed_job_is_400_with_every_key_and_the_reason(client: httpx2.AsyncClient) -> None:
    job = (await client.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    answer = await client.get(f"{BASE}/jobs/{job['id']}")
    assert answer.status_code == 400
    found = answer.json()
    assert found.keys() == ALWAYS | {"ERROR", "error"}
    assert (found["id"], found["status"]) == (job["id"], "ERROR")
    assert found["ERROR"] == found["error"]["message"] != ""


async def test_a_text_on_the_speech_path_is_summarized_too(client: httpx2.AsyncClient) -> None:
    job = await client.post(f"{SPEECH}/jobs/", data={"text": TEXT})
    assert (job.status_code, job.json()["status"]) == (200, "IN_PROGRESS")
    for base in (BASE, SPEECH):
        found = (await client.get(f"{base}/jobs/{job.json()['id']}/")).json()
        assert (found["status"], found["summarization_data"]) == ("COMPLETED", SUMMARY)


async def test_a_transcription_is_found_here_too(client: httpx2.AsyncClient) -> None:
    upload = await client.post(f"{SPEECH}/upload", files={"audio": ("a.mp3", sound())})
    job = (await client.post(f"{SPEECH}/jobs", data=upload.json())).json()
    found = (await client.get(f"{BASE}/jobs/{job['id']}")).json()
    assert (found["status"], found["text"]) == ("COMPLETED", "Hello world. How are you?")


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "said"),
    [
        ("POST", "/jobs", {"data": {}}, 400, "send text"),
        ("POST", "/jobs", {"data": {"text": ""}}, 400, "send text"),
        ("POST", "/jobs", {"json": {"text": 7}}, 400, "send text"),
        ("POST", "/jobs", {"json": {"text": [7]}}, 400, "send text"),
        ("POST", "/jobs", {"json": {"text": "..."}}, 400, "no words"),
        ("POST", "/jobs", {"data": {"text": TEXT, "service_provider": "openai"}}, 400, "credentials"),
        ("POST", "/jobs", {"data": {"text": TEXT, "service_provider": "oracle"}}, 400, "oracle"),
        ("POST", "/jobs", {"json": {"text": TEXT, "service_provider": 7}}, 400, "must be text"),
        ("POST", "/jobs", {"content": "{", "headers": {"content-type": "application/json"}}, 400, "JSON"),
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


@pytest.mark.parametrize("changed_summarize_settings", [{"max_text_bytes": 50}])
@pytest.mark.parametrize("form", ["json", "data", "files"])
async def test_more_than_the_limit_is_413_in_these_words(api: httpx2.AsyncClient, form: str) -> None:
    fields: dict[str, Any] = {"text": (None, TEXT) if form == "files" else TEXT}
    answer = await api.post(f"{BASE}/jobs", **{form: fields})  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert "50 bytes" in answer.json()["error"]["message"]


async def test_a_bad_token_is_401_in_these_words(api: httpx2.AsyncClient) -> None:
    answer = await api.post(f"{BASE}/jobs", data={"text": TEXT}, headers={"Authorization": "Token wrong"})
    assert answer.status_code == 401
    assert answer.json() == {"error": {"message": answer.json()["detail"]}, "detail": answer.json()["detail"]}


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_new_jobs_are_throttled_and_polling_is_not(api: httpx2.AsyncClient) -> None:
    job = (await api.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    answer = await api.post(f"{BASE}/jobs", data={"text": TEXT})
    assert answer.status_code == 429
    assert "available in" in answer.json()["detail"]
    assert {(await api.get(f"/v1/jobs/{job['id']}")).status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("changed_summarize_settings", [{"provider_aliases": {"openai": "hugging-face"}}])
async def test_an_alias_lets_clients_of_a_vendor_run_unchanged(client: httpx2.AsyncClient) -> None:
    job = await client.post(f"{BASE}/jobs", data={"text": TEXT, "service_provider": "openai"})
    assert job.json()["service_provider"] == "hugging-face"


async def test_a_list_shows_own_jobs_and_nothing_to_strangers(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    mine = (await api.post(f"{BASE}/jobs", data={"text": TEXT}, headers=ada)).json()
    await api.post(f"{BASE}/jobs", data={"text": TEXT})
    found = (await api.get(f"{BASE}/jobs", headers=ada)).json()
    assert [job["id"] for job in found] == [mine["id"]]
    assert found[0].keys() == ALWAYS
    assert (await api.get(f"{BASE}/jobs/")).json() == []
