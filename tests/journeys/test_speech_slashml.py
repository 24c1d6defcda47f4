"""A client of the SlashML contract for text to speech, unchanged."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.testing import eventually

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

BASE = "/text-to-speech/v1"
TEXT = "this is my text that I want to convert to an audio file"
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
AT_ONCE = pytest.mark.parametrize("changed_tts_settings", [{"short_wait_seconds": 0}])


@pytest.mark.parametrize("path", ["jobs", "jobs/", "upload", "upload/"])
@pytest.mark.parametrize("form", ["json", "data", "files"])
async def test_a_short_text_is_answered_with_its_sound(
    client: httpx2.AsyncClient, path: str, form: str
) -> None:
    fields: dict[str, Any] = {"text": TEXT}
    if form == "files":
        fields = {name: (None, value) for name, value in fields.items()}
    answer = await client.post(f"{BASE}/{path}", **{form: fields})  # type: ignore[arg-type]
    assert answer.status_code == 200
    job = answer.json()
    assert job.keys() == ALWAYS
    assert (job["status"], job["service_provider"]) == ("COMPLETED", "stentor")
    assert job["audio_url"].endswith(".mp3")
    sound = await client.get(job["audio_url"])
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/mpeg")


@pytest.mark.parametrize("service", ["text-to-speech", "speech-to-text"])
async def test_the_job_can_be_asked_for_where_the_documents_say(
    client: httpx2.AsyncClient, service: str
) -> None:
    job = (await client.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    answer = await client.get(f"/{service}/v1/jobs/{job['id']}/", params={"service_provider": "google"})
    assert (answer.status_code, answer.json()) == (200, job)


@AT_ONCE
async def test_a_longer_text_is_in_progress_until_it_is_spoken(client: httpx2.AsyncClient) -> None:
    job = (await client.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    assert (job["status"], job["audio_url"]) == ("IN_PROGRESS", None)

    async def completed() -> bool:
        found = (await client.get(f"{BASE}/jobs/{job['id']}")).json()
        return bool(found["status"] == "COMPLETED" and found["audio_url"])

    await eventually(completed)


@AT_ONCE
async def test_a_job_that_waits_has_every_key(api: httpx2.AsyncClient) -> None:
    job = (await api.post(f"{BASE}/jobs", data={"text": TEXT})).json()
    assert job.keys() == ALWAYS
    assert (job["status"], job["detail_status"], job["audio_url"]) == ("IN_PROGRESS", "QUEUED", None)


async def test_several_texts_are_one(client: httpx2.AsyncClient) -> None:
    parts = await client.post(f"{BASE}/jobs", json={"text": ["One.", "Two."]})
    speech = (await client.get(f"/v1/speech/{parts.json()['id']}")).json()
    assert [each["text"] for each in speech["sentences"]] == ["One.", "Two."]


@AT_ONCE
async def test_a_very_long_text_fits_into_a_form(api: httpx2.AsyncClient) -> None:
    # More than frameworks take as a field, and not ASCII.
    answer = await api.post(f"{BASE}/jobs", data={"text": "é una frase. " * 70_000})
    assert (answer.status_code, answer.json()["status"]) == (200, "IN_PROGRESS")


@pytest.mark.parametrize("provider", ["aws", "google"])
async def test_a_vendor_is_refused_for_lack_of_credentials(api: httpx2.AsyncClient, provider: str) -> None:
    answer = await api.post(f"{BASE}/jobs", data={"text": TEXT, "service_provider": provider})
    assert answer.status_code == 400
    found = answer.json()
    assert found["status"] == "ERROR"
    assert "needs credentials" in found["ERROR"] == found["error"]["message"]


@pytest.mark.parametrize("changed_tts_settings", [{"provider_aliases": {"google": "stentor"}}])
async def test_an_operator_may_let_the_voices_here_answer_for_a_vendor(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{BASE}/jobs", data={"text": TEXT, "service_provider": "google"})
    assert (answer.json()["status"], answer.json()["service_provider"]) == ("COMPLETED", "stentor")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "field 'text'"),
        ({"text": ""}, "nothing to say"),
        ({"text": "…"}, "nothing to say"),
        ({"text": TEXT, "service_provider": "ibm"}, "known are stentor"),
        ({"text": TEXT, "voice": "homer"}, "there are high, low"),
    ],
)
async def test_what_is_wrong_is_told_in_its_words(
    api: httpx2.AsyncClient, fields: dict[str, str], said: str
) -> None:
    answer = await api.post(f"{BASE}/jobs", data=fields)
    found = answer.json()
    assert answer.status_code == 400
    assert said in found["ERROR"] == found["error"]["message"]


@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
@pytest.mark.parametrize("voice_script", [{"fails_on": "text"}])
async def test_a_failed_job_is_400_with_every_key_and_the_reason(client: httpx2.AsyncClient) -> None:
    answer = await client.post(f"{BASE}/jobs", data={"text": TEXT})
    found = answer.json()
    assert (answer.status_code, found["status"], found["audio_url"]) == (400, "ERROR", None)
    assert found.keys() == ALWAYS | {"ERROR", "error"}


async def test_errors_of_tokens_and_ids_have_their_words(api: httpx2.AsyncClient) -> None:
    wrong = await api.post(f"{BASE}/jobs", data={"text": TEXT}, headers={"Authorization": "Token wrong"})
    assert (wrong.status_code, "detail" in wrong.json()) == (401, True)
    unknown = await api.get(f"{BASE}/jobs/nothing")
    assert (unknown.status_code, "error" in unknown.json()) == (404, True)


async def test_a_list_shows_own_jobs_and_nothing_to_strangers(
    api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    mine = await api.post(f"{BASE}/jobs", data={"text": TEXT}, headers=ada)
    assert [job["id"] for job in (await api.get(f"{BASE}/jobs", headers=ada)).json()] == [mine.json()["id"]]
    assert (await api.get(f"{BASE}/jobs")).json() == []
