"""A client of the AI/ML API contract, unchanged: it makes a transcription, polls it, and reads the result."""

import hashlib
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

BASE = "/v1/stt"
FILE = {"audio": ("sample.mp3", sound(), "audio/mpeg")}
MODEL = "#g1_whisper-large"


async def made(client: httpx2.AsyncClient, headers: Headers | None = None, **options: Any) -> dict[str, Any]:
    """A transcription of a file, as its creation was answered."""
    answer = await client.post(
        f"{BASE}/create", data={"model": MODEL, **options}, files=FILE, headers=headers
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def done(client: httpx2.AsyncClient, generation_id: str) -> dict[str, Any]:
    """The transcription once it is over, polled as the documents' program does."""

    async def look() -> dict[str, Any] | None:
        answer = await client.get(f"{BASE}/{generation_id}")
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return None if found["status"] in ("waiting", "active", "queued", "generating") else found

    found = await eventually(look)
    assert found is not None
    return found


async def result(client: httpx2.AsyncClient, **options: Any) -> dict[str, Any]:
    found = await done(client, (await made(client, **options))["generation_id"])
    assert found["status"] == "completed", found["error"]
    told: dict[str, Any] = found["result"]
    return told


def alternative(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["results"]["channels"][0]["alternatives"][0]
    return found


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("field", ["audio", "file"])
async def test_a_file_is_transcribed_and_told_in_the_shape_of_the_documents(
    client: httpx2.AsyncClient, slash: str, field: str
) -> None:
    answer = await client.post(f"{BASE}/create{slash}", data={"model": MODEL}, files={field: FILE["audio"]})
    assert answer.status_code == 201
    made_id = answer.json()["generation_id"]
    found = await done(client, f"{made_id}{slash}")
    assert (found["id"], found["generation_id"], found["status"]) == (made_id, made_id, "completed")
    assert found["result"] == found["output"]
    assert found["error"] is None

    metadata = found["result"]["metadata"]
    assert metadata["request_id"] == made_id
    assert metadata["transaction_key"] == "deprecated"
    assert metadata["sha256"] == hashlib.sha256(sound()).hexdigest()
    assert (metadata["duration"], metadata["channels"]) == (1.0, 1)
    assert [*metadata["model_info"]] == metadata["models"]
    assert {*metadata["model_info"][metadata["models"][0]]} == {"name", "version", "arch"}

    told = alternative(found["result"])
    assert told["transcript"] == found["result"]["text"] == "hello world how are you"
    assert told["confidence"] == pytest.approx(0.9)
    assert told["words"][1] == {
        "word": "world",
        "start": 0.25,
        "end": 0.5,
        "confidence": 0.9,
        "punctuated_word": "world.",
    }


async def test_a_url_is_taken_as_json(client: httpx2.AsyncClient) -> None:
    uploaded = (await client.post("/v1/uploads", files={"file": ("a.wav", sound())})).json()
    answer = await client.post(f"{BASE}/create", json={"model": MODEL, "url": uploaded["url"]})
    assert answer.status_code == 201
    told = await done(client, answer.json()["generation_id"])
    assert told["result"]["text"] == "hello world how are you"


async def test_the_older_form_answers_with_the_transcript_at_once(client: httpx2.AsyncClient) -> None:
    answer = await client.post(BASE, data={"model": MODEL}, files=FILE)
    assert answer.status_code == 201
    assert alternative(answer.json())["transcript"] == "hello world how are you"
    assert {*answer.json()} == {"metadata", "results", "text"}


@pytest.mark.parametrize(
    ("model", "waiting"),
    [
        ("#g1_whisper-tiny", "waiting"),
        ("whisper-medium", "waiting"),
        ("#g1_nova-2-general", "waiting"),
        ("nova-3", "waiting"),
        ("aai/universal", "waiting"),
        ("openai/gpt-4o-transcribe", "queued"),
    ],
)
async def test_a_job_that_waits_is_called_as_clients_of_its_family_expect(
    api: httpx2.AsyncClient, model: str, waiting: str
) -> None:
    job = await made(api, model=model)
    assert job["status"] == waiting
    found = (await api.get(f"{BASE}/{job['id']}")).json()
    assert (found["status"], found["result"], found["output"], found["error"]) == (waiting, None, None, None)


@pytest.mark.parametrize(("model", "running"), [(MODEL, "active"), ("openai/whisper-1", "generating")])
@pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])
async def test_a_job_that_runs_too_and_one_that_is_cancelled_is_an_error(
    client: httpx2.AsyncClient, model: str, running: str
) -> None:
    job = await made(client, model=model)
    url = f"{BASE}/{job['id']}"

    async def runs() -> bool:
        return bool((await client.get(url)).json()["status"] == running)

    await eventually(runs)
    await client.post(f"/v1/jobs/{job['id']}/cancel")
    cancelled = (await client.get(url)).json()
    assert (cancelled["status"], cancelled["error"]["name"]) == ("error", "cancelled")


async def test_punctuation_comes_when_it_is_asked_for(client: httpx2.AsyncClient) -> None:
    told = await result(client, punctuate="True")
    assert alternative(told)["transcript"] == "Hello world. How are you?"
    assert "paragraphs" not in alternative(told)


async def test_smart_format_brings_paragraphs_too(client: httpx2.AsyncClient) -> None:
    told = alternative(await result(client, smart_format="true"))
    assert told["transcript"] == "Hello world. How are you?"
    assert told["paragraphs"] == {
        "transcript": "\nHello world. How are you?\n",
        "paragraphs": [
            {
                "sentences": [
                    {"text": "Hello world.", "start": 0.0, "end": 0.5},
                    {"text": "How are you?", "start": 0.5, "end": 1.0},
                ],
                "num_words": 5,
                "start": 0.0,
                "end": 1.0,
            }
        ],
    }


async def test_utterances_are_listed_with_their_words(client: httpx2.AsyncClient) -> None:
    told = await result(client, utterances="true", utt_split="2")
    (utterance,) = told["results"]["utterances"]
    assert (utterance["start"], utterance["end"], utterance["channel"]) == (0.0, 1.0, 0)
    assert utterance["transcript"] == "hello world how are you"
    assert [word["word"] for word in utterance["words"]] == ["hello", "world", "how", "are", "you"]


async def test_the_language_is_told_when_it_is_to_be_detected(client: httpx2.AsyncClient) -> None:
    (channel,) = (await result(client, detect_language="true"))["results"]["channels"]
    assert (channel["detected_language"], channel["language_confidence"]) == ("en", 1.0)
    (channel,) = (await result(client, language="en-US"))["results"]["channels"]
    assert "detected_language" not in channel


async def test_phrases_are_found(client: httpx2.AsyncClient) -> None:
    (channel,) = (await result(client, search="Hello, world"))["results"]["channels"]
    assert channel["search"] == [
        {
            "query": "Hello, world",
            "hits": [{"confidence": pytest.approx(0.9), "start": 0.0, "end": 0.5, "snippet": "hello world"}],
        }
    ]
    (channel,) = (await result(client, search="goodbye"))["results"]["channels"]
    assert channel["search"] == [{"query": "goodbye", "hits": []}]


async def test_tags_and_extra_fields_come_back(client: httpx2.AsyncClient) -> None:
    metadata = (await result(client, tag=["a, b", "c"], extra="order:17"))["metadata"]
    assert (metadata["tags"], metadata["extra"]) == (["a, b", "c"], {"order": "17"})


async def test_what_is_not_done_is_told_and_what_is_off_is_not(client: httpx2.AsyncClient) -> None:
    told = await result(client, sentiment="true", topics="false", numerals="", summarize="v2", future="yes")
    warned = {each["parameter"] for each in told["metadata"]["warnings"]}
    assert warned == {"model", "sentiment", "summarize", "future"}


@pytest.mark.parametrize("script", [{"texts": ["Hello."]}])
async def test_a_model_that_is_served_is_used_without_a_warning(
    client: httpx2.AsyncClient, scripted: Any
) -> None:
    told = await result(client, model=scripted.models[0])
    assert "warnings" not in told["metadata"]


async def test_openai_models_answer_with_text_and_usage(client: httpx2.AsyncClient) -> None:
    told = await result(client, model="openai/gpt-4o-mini-transcribe", sentiment="true")
    assert told["text"] == "Hello world. How are you?"
    assert told["usage"]["input_tokens"] == 10
    assert told["usage"]["total_tokens"] == 10 + told["usage"]["output_tokens"]
    assert {each["parameter"] for each in told["metadata"]["warnings"]} == {"model", "sentiment"}


async def test_assembly_models_answer_with_a_transcript_object(client: httpx2.AsyncClient) -> None:
    told = await result(client, model="aai/slam-1")
    assert (told["status"], told["text"]) == ("completed", "Hello world. How are you?")
    assert told["words"][1]["text"] == "world."
    assert (told["words"][1]["start"], told["words"][1]["end"]) == (250, 500)
    assert (told["audio_duration"], told["language_code"]) == (1, "en")


async def test_a_job_that_failed_is_read_with_200_and_says_why(client: httpx2.AsyncClient) -> None:
    job = await client.post(f"{BASE}/create", data={"model": MODEL}, files={"audio": ("a.mp3", b"no sound")})
    found = await done(client, job.json()["generation_id"])
    assert (found["status"], found["result"]) == ("error", None)
    assert found["error"]["name"] == "audio_unreadable"
    assert found["error"]["message"]


async def test_the_older_form_tells_a_failure_as_an_error(client: httpx2.AsyncClient) -> None:
    answer = await client.post(BASE, data={"model": MODEL}, files={"audio": ("a.mp3", b"no sound")})
    assert (answer.status_code, answer.json()["statusCode"], answer.json()["path"]) == (400, 400, BASE)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"json": {"model": MODEL}}, 400, "url"),
        ({"json": {"url": "http://a/b"}}, 400, "model"),
        ({"json": {"model": "gpt-2", "url": "http://a/b"}}, 400, "'gpt-2' is not known"),
        ({"json": {"model": MODEL, "url": "http://a/b", "language": "klingon"}}, 400, "klingon"),
        ({"json": {"model": MODEL, "url": "http://a/b", "diarize": "perhaps"}}, 400, "diarize"),
        ({"json": {"model": MODEL, "url": "http://a/b", "replace": ":x"}}, 400, "heard:written"),
        ({"data": {"model": MODEL, "url": "http://a/b"}, "files": FILE}, 400, "not both"),
        ({"content": "{", "headers": {"content-type": "application/json"}}, 400, "JSON"),
        (
            {"json": {"model": MODEL, "url": "http://a/b"}, "headers": {"authorization": "x"}},
            401,
            "API token",
        ),
    ],
)
async def test_errors_are_told_as_this_family_tells_them(
    api: httpx2.AsyncClient, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = await api.post(f"{BASE}/create", **sent)
    assert answer.status_code == status, answer.text
    found = answer.json()
    assert {*found} == {"message", "path", "requestId", "statusCode", "timestamp"}
    assert (found["statusCode"], found["path"]) == (status, f"{BASE}/create")
    assert found["requestId"] == answer.headers["x-request-id"]
    assert said in found["message"]


async def test_an_unknown_id_is_404_in_the_same_words(api: httpx2.AsyncClient) -> None:
    answer = await api.get(f"{BASE}/no-uuid")
    assert (answer.status_code, answer.json()["statusCode"]) == (404, 404)


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_too_many_requests_are_429_with_the_time_to_wait(api: httpx2.AsyncClient) -> None:
    await made(api)
    answer = await api.post(f"{BASE}/create", data={"model": MODEL}, files=FILE)
    assert answer.status_code == 429
    assert answer.json()["message"].startswith("Too Many Requests")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_transcription_is_gone_after_an_hour(
    client: httpx2.AsyncClient, runtime: Runtime, clock: ManualClock
) -> None:
    job = await made(client)
    await done(client, job["id"])
    clock.advance(minutes=59)
    await expire_jobs(runtime)
    assert (await client.get(f"{BASE}/{job['id']}")).status_code == 200
    clock.advance(minutes=2)
    await expire_jobs(runtime)
    gone = await client.get(f"{BASE}/{job['id']}")
    assert (gone.status_code, gone.json()["statusCode"]) == (404, 404)


async def test_nothing_is_kept_of_a_file_whose_request_is_refused(
    api: httpx2.AsyncClient, runtime: Runtime
) -> None:
    answer = await api.post(f"{BASE}/create", data={"model": "gpt-2"}, files=FILE)
    assert answer.status_code == 400
    kept = (runtime.settings.data_dir / "objects").rglob("*")
    assert not [path for path in kept if path.is_file()]


async def test_only_its_owner_reads_a_transcription(api: httpx2.AsyncClient, sign_up: SignUp) -> None:
    ada, bob = await sign_up("ada"), await sign_up("bob")
    job = await made(api, ada)
    assert (await api.get(f"{BASE}/{job['id']}", headers=ada)).status_code == 200
    assert (await api.get(f"{BASE}/{job['id']}", headers=bob)).status_code == 404
    assert (await api.get(f"{BASE}/{job['id']}")).status_code == 404
