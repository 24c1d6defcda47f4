"""Several capabilities as one job: a recording in, transcript, summary and speech out."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.jobs.table import JobState
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, Received, receiver

SignUp = Callable[[str], Awaitable[dict[str, str]]]

TRANSCRIPT = "Hello world. How are you?"
SUMMARY = "The harbour is closed. Nobody looks at the tides."
WHOLE = [{"do": "transcribe"}, {"do": "summarize"}, {"do": "speak", "format": "wav"}]
WAIT = {"Prefer": "wait=30"}


async def uploaded(client: httpx2.AsyncClient, content: bytes = b"") -> str:
    files = {"file": ("talk.wav", content or sound())}
    return str((await client.post("/v1/uploads", files=files)).json()["id"])


async def ran(client: httpx2.AsyncClient, **asked: Any) -> dict[str, Any]:
    """A pipeline, when it is over."""
    answer = await client.post("/v1/pipelines", json=asked, headers=WAIT)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_recording_becomes_text_summary_and_speech_in_one_call(client: httpx2.AsyncClient) -> None:
    found = await ran(client, upload_id=await uploaded(client), steps=WHOLE)
    assert (found["status"], found["text"]) == ("completed", SUMMARY)
    assert [(step["do"], step["status"], step["text"]) for step in found["steps"]] == [
        ("transcribe", "completed", TRANSCRIPT),
        ("summarize", "completed", SUMMARY),
        ("speak", "completed", None),
    ]
    assert (await client.get(found["audio_url"])).content.startswith(b"RIFF")
    for step in found["steps"]:
        assert (await client.get(step["url"])).json()["id"] == step["job_id"]
    assert (await client.get(f"/v1/pipelines/{found['id']}")).json() == found


async def test_a_form_brings_the_recording_and_the_steps(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/v1/pipelines",
        files={"file": ("talk.wav", sound())},
        data={"steps": json.dumps([{"do": "transcribe", "language": "en"}])},
        headers=WAIT,
    )
    found = answer.json()
    assert (found["text"], found["audio_url"]) == (TRANSCRIPT, None)
    transcription = (await client.get(found["steps"][0]["url"])).json()
    assert transcription["language"] == "en"


async def test_without_steps_a_recording_is_transcribed_and_summarized(client: httpx2.AsyncClient) -> None:
    found = await ran(client, upload_id=await uploaded(client))
    assert [step["do"] for step in found["steps"]] == ["transcribe", "summarize"]


async def test_a_text_may_be_summarized_and_spoken(client: httpx2.AsyncClient) -> None:
    found = await ran(
        client, text="A long story. It ends well.", steps=[{"do": "summarize"}, {"do": "speak"}]
    )
    assert found["status"] == "completed"
    assert found["audio_url"].startswith("http://stentor/v1/speech/")


async def test_diarizing_belongs_to_the_transcription(client: httpx2.AsyncClient) -> None:
    steps = [{"do": "transcribe"}, {"do": "diarize", "speakers": 1}, {"do": "summarize"}]
    found = await ran(client, upload_id=await uploaded(client), steps=steps)
    assert [step["do"] for step in found["steps"]] == ["transcribe", "summarize"]
    # Of one voice it need not be said whose it is.
    assert found["steps"][0]["text"] == TRANSCRIPT
    transcription = (await client.get(found["steps"][0]["url"])).json()
    assert {word["speaker"] for word in transcription["words"]} == {"A"}


@pytest.mark.parametrize(
    "changed_settings", [{"webhook_allowed": LOOPBACK, "public_url": "https://speech.example.com/"}]
)
async def test_one_message_tells_the_end_with_the_results(
    client: httpx2.AsyncClient, runtime: Runtime, services: list[Service], sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    await client.post("/v1/webhooks/secrets", headers=owner)
    async with background(runtime, services), receiver() as server:
        asked = {"upload_id": await uploaded(client), "steps": WHOLE, "webhook_url": server.url}
        found = (await client.post("/v1/pipelines", json=asked, headers=WAIT | owner)).json()

        async def there() -> list[Received]:
            return server.received

        [message] = await eventually(there)
    told = json.loads(message.body)
    assert told["type"] == "pipeline.completed"
    assert (told["data"]["id"], told["data"]["text"]) == (found["id"], SUMMARY)
    assert told["data"]["audio_url"].startswith("https://speech.example.com/v1/speech/")


async def test_a_step_is_done_again_in_another_way_with_the_results_before_it(
    client: httpx2.AsyncClient,
) -> None:
    first = await ran(client, upload_id=await uploaded(client), steps=WHOLE)
    answer = await client.post(
        f"/v1/pipelines/{first['id']}/rerun",
        json={"from": "summarize", "steps": [{"do": "summarize", "style": "headline"}]},
    )
    assert answer.status_code == 202
    again = answer.json()
    assert again["rerun_of"] == first["id"]

    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"/v1/pipelines/{again['id']}")).json()
        return found if found["status"] == "completed" else None

    found = await eventually(over)
    assert found
    assert [step["status"] for step in found["steps"]] == ["taken_over", "completed"]
    assert found["steps"][0] == {**first["steps"][0], "status": "taken_over"}
    assert found["steps"][1]["job_id"] != first["steps"][1]["job_id"]


@pytest.mark.parametrize(("step", "said"), [(7, "has no step 7"), ("speak", "has no step speak")])
async def test_there_must_be_a_step_to_begin_again_from(
    client: httpx2.AsyncClient, step: int | str, said: str
) -> None:
    first = await ran(client, upload_id=await uploaded(client))
    answer = await client.post(f"/v1/pipelines/{first['id']}/rerun", json={"from": step})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "from")
    assert said in answer.json()["error"]["message"]


async def test_what_failed_is_told_with_its_step_and_the_others_wait(client: httpx2.AsyncClient) -> None:
    found = await ran(client, upload_id=await uploaded(client, b"no sound at all"), steps=WHOLE)
    assert found["status"] == "failed"
    assert found["error"]["code"] == "audio_unreadable"
    assert found["error"]["message"].startswith("step 0 (transcribe): ")
    assert [step["status"] for step in found["steps"]] == ["failed", "waiting", "waiting"]
    answer = await client.post(f"/v1/pipelines/{found['id']}/rerun", json={"from": "speak"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "steps_not_done")


@pytest.mark.parametrize(
    ("steps", "param", "said"),
    [
        ([{"do": "transcribe", "language": "x"}], "steps.0", "step 0 (transcribe): language"),
        (
            [{"do": "transcribe"}, {"do": "summarize", "style": "sonnet"}],
            "steps.1",
            "step 1 (summarize): style",
        ),
        ([*WHOLE[:2], {"do": "speak", "voice": "nobody"}], "steps.2", "step 2 (speak): "),
        ([*WHOLE[:2], {"do": "speak", "colour": "red"}], "steps.2", "colour"),
        ([{"do": "transcribe"}, {"do": "transcribe"}], "steps", "only the first step can be transcribe"),
        ([{"do": "summarize"}], None, "a recording needs transcribe as first step"),
        (
            [{"do": "transcribe"}, {"do": "speak"}, {"do": "summarize"}],
            "steps",
            "nothing can come after speak",
        ),
        ([{"do": "diarize"}], "steps", "diarize comes right after transcribe"),
        ([], "steps", "at least 1"),
        ([{"do": "dance"}], "steps.0.do", "transcribe"),
        ([{"do": "transcribe"}, *[{"do": "summarize"}] * 10], "steps", "at most 10 steps"),
    ],
)
async def test_what_cannot_be_done_is_refused_at_once(
    client: httpx2.AsyncClient, steps: list[dict[str, Any]], param: str | None, said: str
) -> None:
    answer = await client.post("/v1/pipelines", json={"upload_id": await uploaded(client), "steps": steps})
    error = answer.json()["error"]
    assert answer.status_code == 400, answer.text
    assert said in error["message"]
    if param:
        assert error["param"] == param


@pytest.mark.parametrize(
    "asked",
    [{}, {"text": "A text.", "upload_id": "x", "steps": [{"do": "speak"}]}, {"text": "A text."}],
)
async def test_there_is_one_thing_to_do_it_with(client: httpx2.AsyncClient, asked: dict[str, Any]) -> None:
    answer = await client.post("/v1/pipelines", json=asked)
    assert answer.status_code == 400


async def test_a_form_with_steps_that_are_no_json_is_refused_and_its_file_is_not_kept(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    answer = await client.post(
        "/v1/pipelines", files={"file": ("talk.wav", sound())}, data={"steps": "transcribe"}
    )
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "steps")


@pytest.mark.parametrize("script", [{"texts": ["Hello."] * 50, "seconds_per_audio_second": 60}])
async def test_a_cancelled_pipeline_stops_the_step_it_is_at(client: httpx2.AsyncClient) -> None:
    asked = {"upload_id": await uploaded(client), "steps": WHOLE}
    made = (await client.post("/v1/pipelines", json=asked)).json()

    async def begun() -> str | None:
        steps = (await client.get(f"/v1/pipelines/{made['id']}")).json()["steps"]
        job_id: str | None = steps[0]["job_id"]
        return job_id

    child = await eventually(begun)
    answer = await client.post(f"/v1/pipelines/{made['id']}/cancel")
    assert answer.json()["status"] == "cancelled"

    async def stopped() -> bool:
        return bool((await client.get(f"/v1/jobs/{child}")).json()["status"] == JobState.cancelled)

    assert await eventually(stopped)


async def test_the_same_request_twice_with_a_key_makes_one(client: httpx2.AsyncClient) -> None:
    asked = {"text": "A story. It ends.", "steps": [{"do": "summarize"}]}
    headers = {"Idempotency-Key": "story"}
    first = await client.post("/v1/pipelines", json=asked, headers=headers)
    second = await client.post("/v1/pipelines", json=asked, headers=headers)
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"


async def test_it_counts_as_one_job_however_many_steps_it_has(client: httpx2.AsyncClient) -> None:
    asked = {"text": "A story. It ends.", "steps": [{"do": "summarize"}, {"do": "summarize"}]}
    for _ in range(10):
        assert (await client.post("/v1/pipelines", json=asked, headers=WAIT)).json()["status"] == "completed"
    assert (await client.post("/v1/pipelines", json=asked)).status_code == 429


async def test_it_is_deleted_with_its_recording(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/pipelines", files={"file": ("talk.wav", sound())}, headers=WAIT)
    path = f"/v1/pipelines/{answer.json()['id']}"
    assert (await client.delete(path)).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_transcription_may_be_summarized_in_the_same_request(client: httpx2.AsyncClient) -> None:
    asked = {"upload_id": await uploaded(client), "summarize": True}
    found = (await client.post("/v1/transcriptions", json=asked, headers=WAIT)).json()
    assert (found["text"], found["summary"]) == (TRANSCRIPT, SUMMARY)
