"""A text is sent and comes back shorter: the native contract."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from stentor_common.clock import ManualClock
from stentor_common.runtime import Runtime
from stentor_common.service import Service
from stentor_common.sweep import expire_jobs
from stentor_common.testing import eventually
from stentor_common.testing_visits import Visit
from stentor_summarize import inputs

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

PATH = "/v1/summaries"
WAIT = {"Prefer": "wait=20"}
TEXT = "The tide table hung beside the door. Nobody had looked at it since the harbour was closed."
SUMMARY = "The harbour is closed. Nobody looks at the tides."
SLOW = pytest.mark.parametrize("summary_script", [{"texts": ["word " * 500], "seconds_per_word": 0.2}])
ECHO = pytest.mark.parametrize("summary_script", [{"kind": "extractive"}])
"""The engine answers the first words of the text, as many as are wanted."""


async def job_of(client: httpx2.AsyncClient, headers: Headers | None = None, **asked: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"text": TEXT} | asked, headers=headers)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def summary_of(client: httpx2.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"text": TEXT} | asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def stored(runtime: Runtime) -> list[str]:
    """Keys of all objects in the store."""
    root = runtime.settings.data_dir / "objects"
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


async def test_a_text_becomes_a_job_and_the_job_a_summary(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, json={"text": TEXT})
    job = answer.json()
    assert answer.status_code == 202
    assert (job["object"], job["status"], job["text"]) == ("summary", "queued", None)
    assert answer.headers["location"] == f"http://stentor{PATH}/{job['id']}"

    async def finished() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"{PATH}/{job['id']}")).json()
        return found if found["status"] == "completed" else None

    done = await eventually(finished)
    assert done
    assert (done["text"], done["kind"], done["engine"]) == (SUMMARY, "abstractive", "scripted")
    assert (done["words"], done["passages"], done["warnings"]) == (9, 1, [])
    assert (done["provider"], done["style"], done["length"]) == (
        "hugging-face",
        "paragraph",
        {"sentences": 5, "words": None, "ratio": None},
    )
    assert done["source"] == {
        "kind": "text",
        "name": None,
        "url": None,
        "form": None,
        "pages": None,
        "characters": len(TEXT),
        "words": 17,
    }
    assert (done["progress"], done["error"]) == (None, None)


async def test_who_prefers_to_wait_gets_the_summary_at_once(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, json={"text": TEXT}, headers=WAIT)
    assert (answer.status_code, answer.headers["preference-applied"]) == (200, "wait=20")
    assert answer.json()["text"] == SUMMARY


async def test_who_waits_in_vain_gets_the_job(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, json={"text": TEXT}, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202
    assert answer.json()["progress"]["stage"] == "queued"


async def test_a_summary_can_be_had_as_plain_text(client: httpx2.AsyncClient) -> None:
    job = await summary_of(client)
    answer = await client.get(f"{PATH}/{job['id']}", params={"format": "text"})
    assert (answer.text, answer.headers["content-type"].partition(";")[0]) == (SUMMARY, "text/plain")


async def test_there_is_no_plain_text_before_the_end(api: httpx2.AsyncClient) -> None:
    job = await job_of(api)
    answer = await api.get(f"{PATH}/{job['id']}", params={"format": "text"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


@ECHO
@pytest.mark.parametrize(
    ("length", "words"),
    [
        ({"words": 6}, 6),
        ({"sentences": 3}, 3),
        ("short", 2),
        ("Medium", 5),
        ("long", 12),
        ('{"words": 7}', 7),
    ],
)
async def test_the_length_reaches_the_engine(client: httpx2.AsyncClient, length: Any, words: int) -> None:
    assert (await summary_of(client, length=length))["words"] == words


@pytest.mark.parametrize("summary_script", [{"texts": ["- The harbour is closed.\n- Nobody looks."]}])
async def test_bullets_come_one_by_one_too(client: httpx2.AsyncClient) -> None:
    found = await summary_of(client, style="bullets")
    assert found["bullets"] == ["The harbour is closed.", "Nobody looks."]
    assert (found["headline"], found["action_items"], found["decisions"]) == (None, None, None)


@pytest.mark.parametrize("summary_script", [{"texts": ["Harbour closed, tides unread."]}])
async def test_a_headline_is_one_line(client: httpx2.AsyncClient) -> None:
    found = await summary_of(client, style="headline")
    assert found["headline"] == found["text"] == "Harbour closed, tides unread"


@pytest.mark.parametrize(
    "summary_script",
    [{"texts": ["The board met."], "action_items": ["Close the harbour."], "decisions": ["Tides are off."]}],
)
async def test_minutes_tell_decisions_and_tasks(client: httpx2.AsyncClient) -> None:
    found = await summary_of(client, style="minutes")
    assert (found["action_items"], found["decisions"]) == (["Close the harbour."], ["Tides are off."])


@pytest.mark.parametrize("summary_script", [{"texts": ["Captain Elinor Dashwood closed 4711 harbours."]}])
async def test_a_summary_that_invents_names_carries_a_warning(client: httpx2.AsyncClient) -> None:
    (warning,) = (await summary_of(client))["warnings"]
    assert warning["code"] == "not_in_source"
    assert "4711" in warning["found"]


@ECHO
async def test_a_list_of_texts_is_one_text(client: httpx2.AsyncClient) -> None:
    found = await summary_of(client, text=["One two three.", "Four five six."], length={"words": 5})
    assert found["source"]["characters"] == len("One two three.\n\nFour five six.")


@ECHO
async def test_what_no_database_takes_is_left_out(client: httpx2.AsyncClient) -> None:
    content = rb'{"text": "One\u0000 two \ud800 three.", "length": {"words": 5}, "instructions": "\u0000"}'
    headers = WAIT | {"Content-Type": "application/json"}
    answer = await client.post(PATH, content=content, headers=headers)
    assert answer.json()["text"] == "One two ? three."


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({}, "invalid_request", "exactly one of text"),
        ({"text": TEXT, "url": "http://a/b"}, "invalid_request", "exactly one of text"),
        ({"text": ""}, "nothing_to_summarize", "no words"),
        ({"text": " \n ... "}, "nothing_to_summarize", "no words"),
        ({"text": []}, "nothing_to_summarize", "no words"),
        ({"text": 7}, "invalid_request", "text"),
        ({"text": ["a", 7]}, "invalid_request", "text"),
        ({"text": TEXT, "style": "sonnet"}, "invalid_request", "style"),
        ({"text": TEXT, "length": "endless"}, "invalid_request", "short, medium, long"),
        ({"text": TEXT, "length": {"sentences": 0}}, "invalid_request", "length.sentences"),
        ({"text": TEXT, "length": {"ratio": 1.5}}, "invalid_request", "length.ratio"),
        ({"text": TEXT, "length": {"words": 50, "ratio": 0.2}}, "invalid_request", "exactly one"),
        ({"text": TEXT, "length": {}}, "invalid_request", "exactly one"),
        ({"text": TEXT, "length": 3}, "invalid_request", "length"),
        ({"text": TEXT, "language": "English!"}, "invalid_request", "language"),
        ({"text": TEXT, "model": "gpt-9"}, "model_not_found", "gpt-9"),
        ({"text": TEXT, "provider": "openai"}, "provider_not_configured", "credentials"),
        ({"text": TEXT, "provider": "oracle"}, "unknown_provider", "oracle"),
        ({"text": TEXT, "colour": "red"}, "invalid_request", "colour"),
        ({"upload_id": "nothing"}, "not_found", "no upload"),
        ({"transcript_id": "nothing"}, "not_found", "no job"),
        ({"text": TEXT, "webhook_url": "http://a/b"}, "invalid_credentials", "account"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_leaves_nothing(
    client: httpx2.AsyncClient, runtime: Runtime, asked: dict[str, Any], code: str, said: str
) -> None:
    answer = await client.post(PATH, json=asked)
    assert answer.status_code in (400, 401, 404)
    assert answer.json()["error"]["code"] == code
    assert said in answer.json()["error"]["message"]
    assert stored(runtime) == []


@pytest.mark.parametrize("changed_summarize_settings", [{"provider_aliases": {"openai": "hugging-face"}}])
async def test_an_alias_answers_for_a_vendor(client: httpx2.AsyncClient) -> None:
    assert (await summary_of(client, provider="openai"))["provider"] == "hugging-face"


@pytest.mark.parametrize("changed_summarize_settings", [{"max_characters": 50, "max_text_bytes": 300}])
async def test_what_is_too_long_is_refused_with_the_limit(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    answer = await client.post(PATH, json={"text": TEXT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "text_too_long")
    assert "50 characters" in answer.json()["error"]["message"]
    answer = await client.post(PATH, json={"text": TEXT * 9})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert stored(runtime) == []


async def test_a_text_of_megabytes_is_taken(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, json={"text": TEXT * 100_000})
    assert answer.status_code == 202


async def test_the_text_is_gone_when_the_job_is_over(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    await summary_of(client)
    await inputs.sweep(runtime)
    assert stored(runtime) == []


@SLOW
async def test_the_text_stays_while_it_is_needed(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    job = await job_of(client)
    await inputs.sweep(runtime)
    assert len(stored(runtime)) == 1
    await client.post(f"{PATH}/{job['id']}/cancel")
    await inputs.sweep(runtime)
    assert stored(runtime) == []


async def test_a_text_that_is_gone_before_its_job_fails_with_a_reason(
    api: httpx2.AsyncClient, runtime: Runtime, services: list[Service]
) -> None:
    from stentor_common.worker import run_worker

    job = await job_of(api)
    for key in stored(runtime):
        await runtime.store.delete(key)
    worker = asyncio.create_task(run_worker(runtime, services))
    answer = await api.get(f"/v1/jobs/{job['id']}/events")
    runtime.stopping.set()
    await worker
    assert '"code":"input_gone"' in answer.text.replace(" ", "")


@pytest.mark.parametrize("summary_script", [{"texts": ["never"], "fails_after": 0}])
@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
async def test_an_engine_that_breaks_fails_the_job_without_details(client: httpx2.AsyncClient) -> None:
    found = await summary_of(client)
    assert (found["status"], found["error"]["code"]) == ("failed", "internal")
    assert "script" not in found["error"]["message"]


@pytest.mark.parametrize("summary_script", [{"texts": ["word " * 40_000]}])
async def test_a_long_summary_is_an_object_and_goes_with_its_job(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    job = await summary_of(client)
    assert len(job["text"].split()) == 40_000
    assert [name for name in stored(runtime) if name.startswith(f"results/{job['id']}.")]
    assert (await client.delete(f"{PATH}/{job['id']}")).status_code == 204
    assert stored(runtime) == []


async def test_a_job_can_be_cancelled_while_it_waits(api: httpx2.AsyncClient) -> None:
    job = await job_of(api)
    for _ in range(2):
        answer = await api.post(f"{PATH}/{job['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


@SLOW
async def test_a_job_that_was_cancelled_lets_the_next_one_have_the_model(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    jobs = [(await job_of(client))["id"] for _ in range(2)]
    visits = {job: Visit(app, "GET", f"{PATH}/{job}/events") for job in jobs}

    async def written() -> list[str]:
        return [job for job in jobs if "event: delta" in visits[job].text]

    (first,) = await eventually(written)
    (other,) = {*jobs} - {first}
    assert (await client.post(f"{PATH}/{first}/cancel")).json()["status"] == "cancelled"

    async def has_its_turn() -> bool:
        return other in await written()

    await eventually(has_its_turn)
    await client.post(f"{PATH}/{other}/cancel")
    for visit in visits.values():
        await visit.over


async def test_what_is_over_cannot_be_cancelled(client: httpx2.AsyncClient) -> None:
    job = await summary_of(client)
    answer = await client.post(f"{PATH}/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


async def test_a_request_sent_twice_makes_one_job(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    key = {"Idempotency-Key": "once"}
    first, second = [await client.post(PATH, json={"text": TEXT}, headers=key | WAIT) for _ in range(2)]
    assert first.json()["id"] == second.json()["id"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    await inputs.sweep(runtime)
    assert stored(runtime) == []


async def test_a_key_for_one_text_is_no_key_for_another(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    key = {"Idempotency-Key": "once"}
    await job_of(api, key)
    answer = await api.post(PATH, json={"text": TEXT, "style": "bullets"}, headers=key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert len(stored(runtime)) == 1


async def test_a_summary_is_kept_as_long_as_results_are(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock
) -> None:
    job = await summary_of(client)
    clock.advance(days=6)
    await expire_jobs(runtime)
    assert (await client.get(f"{PATH}/{job['id']}")).json()["text"] == SUMMARY
    clock.advance(days=2)
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
    second = (await api.get(PATH, params={"after": first["next_after"]}, headers=ada)).json()
    assert [job["id"] for job in second["data"]] == [made[0]]
    assert not second["has_more"]


@pytest.mark.parametrize("job_id", ["nothing", str(uuid.UUID(int=1)), "%00", "ä" * 300])
async def test_an_id_that_nobody_has_is_not_found(api: httpx2.AsyncClient, job_id: str) -> None:
    answer = await api.get(f"{PATH}/{job_id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/summaries/{id}"),
        ("DELETE", "/v1/summaries/{id}"),
        ("POST", "/v1/summaries/{id}/cancel"),
        ("GET", "/v1/summaries/{id}/events"),
        ("GET", "/summarization/v1/jobs/{id}"),
        ("GET", "/speech-to-text/v1/jobs/{id}"),
    ],
)
async def test_a_summary_of_somebody_else_is_not_found(
    api: httpx2.AsyncClient, sign_up: SignUp, method: str, path: str
) -> None:
    job = await job_of(api, await sign_up("ada"))
    for other in ({}, await sign_up("bob")):
        answer = await api.request(method, path.format(id=job["id"]), headers=other)
        assert answer.status_code == 404


async def test_a_bad_token_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, json={"text": TEXT}, headers={"Authorization": "Bearer wrong"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_too_many_new_summaries_are_refused_before_the_text_is_read(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await job_of(api)
    answer = await api.post(PATH, json={"text": TEXT})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert len(stored(runtime)) == 1


async def test_models_and_providers_say_what_summarizes(client: httpx2.AsyncClient) -> None:
    models = (await client.get("/v1/models")).json()["data"]
    (model,) = [each for each in models if each["capability"] == "summarization"]
    assert (model["owned_by"], model["available"]) == ("hugging-face", True)
    providers = (await client.get("/v1/providers")).json()["data"]
    openai = next(each for each in providers if each["id"] == "openai")
    assert not openai["available"]
    assert "credentials" in openai["reason"]


@pytest.mark.parametrize("changed_summarize_settings", [{"models": ["extractive"], "offline": True}])
async def test_a_model_has_several_names(api: httpx2.AsyncClient) -> None:
    for name in ("extractive", "all-minilm-l6-v2", "extractive:all-minilm-l6-v2"):
        assert (await job_of(api, model=name))["model"] == "all-minilm-l6-v2"
