"""A client of AssemblyAI's contract, unchanged: upload, submit, poll, export, list, delete."""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest

from stentor_common.clock import ManualClock
from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.serve import background
from stentor_common.service import Service
from stentor_common.testing import eventually, sound
from stentor_common.testing_receiver import LOOPBACK, Receiver, receiver
from stentor_stt.contracts.assemblyai.answer import KEYS
from stentor_stt.options import Diarization, Hotword, Spelling
from stentor_stt.transcriptions import Transcription

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

AT_ONCE = pytest.mark.parametrize("changed_stt_settings", [{"poll_hold_seconds": 0}])


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"webhook_allowed": LOOPBACK}


async def uploaded(client: httpx2.AsyncClient, content: bytes | None = None) -> str:
    answer = await client.post("/v2/upload", content=sound() if content is None else content)
    assert answer.status_code == 200
    return str(answer.json()["upload_url"])


async def submitted(
    client: httpx2.AsyncClient, headers: Headers | None = None, **asked: Any
) -> dict[str, Any]:
    body = {"audio_url": await uploaded(client), **asked}
    answer = await client.post("/v2/transcript", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def completed(
    client: httpx2.AsyncClient, headers: Headers | None = None, **asked: Any
) -> dict[str, Any]:
    transcript_id = (await submitted(client, headers, **asked))["id"]

    async def over() -> dict[str, Any] | None:
        answer = await client.get(f"/v2/transcript/{transcript_id}", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found if found["status"] in ("completed", "error") else None

    found = await eventually(over)
    assert found
    return found


async def wanted_of(runtime: Runtime, transcript: dict[str, Any]) -> Transcription:
    """What became of the options in the core."""
    async with runtime.db.reading() as session:
        job = await session.get_one(Job, uuid.UUID(transcript["id"]))
    return Transcription.of(job.request)


async def test_from_a_file_to_its_transcript(client: httpx2.AsyncClient) -> None:
    url = await uploaded(client)
    assert (await client.get(url)).content == sound()
    answer = await client.post("/v2/transcript", json={"audio_url": url})
    assert answer.status_code == 200
    assert answer.json().keys() == set(KEYS)
    assert (answer.json()["status"], answer.json()["audio_url"]) == ("queued", url)

    found = await completed(client)
    assert found.keys() == set(KEYS)
    assert (found["status"], found["error"]) == ("completed", None)
    assert found["text"] == "Hello world. How are you?"
    assert found["words"][1] == {
        "text": "world.",
        "start": 250,
        "end": 500,
        "confidence": 0.9,
        "speaker": None,
        "channel": None,
    }
    assert (found["audio_duration"], found["language_code"]) == (1, "en")
    assert found["utterances"] is None
    assert found["metadata"] is None


@AT_ONCE
async def test_one_that_waits_says_so_with_every_key(api: httpx2.AsyncClient) -> None:
    transcript = await submitted(api)
    found = (await api.get(f"/v2/transcript/{transcript['id']}")).json()
    assert found.keys() == set(KEYS)
    assert (found["status"], found["text"], found["words"]) == ("queued", None, None)


@pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])
@AT_ONCE
async def test_one_that_runs_is_processing_and_one_that_is_stopped_an_error(
    client: httpx2.AsyncClient,
) -> None:
    transcript = await submitted(client)
    path = f"/v2/transcript/{transcript['id']}"

    async def processing() -> bool:
        return bool((await client.get(path)).json()["status"] == "processing")

    await eventually(processing)
    early = await client.get(f"{path}/srt")
    assert (early.status_code, "is processing" in early.json()["error"]) == (400, True)
    await client.post(f"/v1/jobs/{transcript['id']}/cancel")
    found = (await client.get(path)).json()
    assert (found["status"], found["error"]) == ("error", "the transcript was cancelled")


async def test_a_failure_is_an_error_with_its_reason(client: httpx2.AsyncClient) -> None:
    url = await uploaded(client, b"no sound")
    transcript = (await client.post("/v2/transcript", json={"audio_url": url})).json()

    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"/v2/transcript/{transcript['id']}")).json()
        return found if found["status"] == "error" else None

    found = await eventually(over)
    assert found
    assert found.keys() == set(KEYS)
    assert "sound" in found["error"]
    assert found["text"] is None


async def test_options_reach_the_core(api: httpx2.AsyncClient, runtime: Runtime) -> None:
    transcript = await submitted(
        api,
        language_code="en_us",
        speaker_labels=True,
        speakers_expected=3,
        speaker_options={"min_speakers_expected": 2, "max_speakers_expected": 4},
        multichannel=True,
        keyterms_prompt=["Elinor, of Norland"],
        word_boost=["Dashwood"],
        boost_param="high",
        custom_spelling=[{"from": ["eleanor", "elenor"], "to": "Elinor"}],
        audio_start_from=100,
        audio_end_at=900,
        prompt="A novel.",
        temperature=0.2,
    )
    options = (await wanted_of(runtime, transcript)).options
    assert options.language == "en"
    assert options.diarization == Diarization(3, 2, 4)
    assert options.split_channels
    assert options.hotwords == (Hotword("Elinor, of Norland", 15.0), Hotword("Dashwood", 15.0))
    assert options.spelling == (Spelling("eleanor", "Elinor"), Spelling("elenor", "Elinor"))
    assert (options.clip_start_ms, options.clip_end_ms) == (100, 900)
    assert (options.prompt, options.temperature) == ("A novel.", 0.2)
    assert transcript["language_code"] == "en_us"
    assert transcript["custom_spelling"] == [{"from": ["eleanor", "elenor"], "to": "Elinor"}]
    assert transcript["speaker_options"] == {"min_speakers_expected": 2, "max_speakers_expected": 4}


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ({}, None),
        ({"language_code": "de"}, "de"),
        ({"language_code": "pt_br"}, "pt"),
        ({"language_codes": ["fr"]}, "fr"),
        ({"language_codes": ["fr", "en"]}, None),
        ({"language_detection": True, "language_code": "de"}, None),
        ({"language_code": None, "language_detection": False}, None),
    ],
)
async def test_a_language_is_taken_or_found_out(
    api: httpx2.AsyncClient, runtime: Runtime, asked: dict[str, Any], language: str | None
) -> None:
    assert (await wanted_of(runtime, await submitted(api, **asked))).options.language == language


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"speech_model": "best"},
        {"speech_models": ["universal-3-pro", "universal-2"]},
        {"speech_models": ["universal-3-pro", "whisper-1"]},
    ],
)
async def test_their_models_are_answered_by_the_default(
    client: httpx2.AsyncClient, asked: dict[str, Any]
) -> None:
    found = await completed(client, **asked)
    assert found["status"] == "completed"
    assert found["speech_model"] == asked.get("speech_model")
    assert found["speech_models"] == asked.get("speech_models")
    assert found["speech_model_used"]


async def test_what_is_not_done_is_told_in_warnings(client: httpx2.AsyncClient) -> None:
    found = await completed(
        client,
        summarization=True,
        summary_type="bullets",
        sentiment_analysis=True,
        auto_chapters=False,
        entity_detection=None,
        disfluencies=True,
        language_codes=["en", "fr"],
    )
    told = [each["message"] for each in found["metadata"]["warnings"]]
    assert {text.split()[0].rstrip(":") for text in told} == {
        "summarization",
        "sentiment_analysis",
        "disfluencies",
        "language_codes",
    }


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"redact_pii": True}, "redact_pii is not done"),
        ({"filter_profanity": True}, "filter_profanity is not done"),
        ({"language_code": "xx"}, "language_code: 'xx' is not known"),
        ({"speech_models": ["whisper-gigantic"]}, "'whisper-gigantic' is not served here"),
        ({"audio_start_from": 5, "audio_end_at": 5}, "audio_end_at must be after"),
        ({"speakers_expected": 0}, "speakers_expected"),
        ({"keyterms_prompt": [""]}, "keyterms_prompt"),
        ({"custom_spelling": [{"to": "x"}]}, "custom_spelling"),
        ({"speech_threshold": 2}, "speech_threshold"),
        ({"audio_url": None}, "audio_url"),
        ({"audio_url": ""}, "audio_url"),
        ({"webhook_url": "https://example.com/", "webhook_auth_header_name": "X"}, "belong together"),
        ({"webhook_url": "https://example.com/"}, "needs an account"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_their_words(
    api: httpx2.AsyncClient, asked: dict[str, Any], said: str
) -> None:
    body = {"audio_url": "https://example.com/a.mp3", "speaker_labels": True, **asked}
    answer = await api.post("/v2/transcript", json=body)
    assert answer.status_code == (401 if "account" in said else 400)
    assert answer.json().keys() == {"error"}
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "sent", "status", "said"),
    [
        ("POST", "/v2/upload", {"content": b""}, 400, "empty"),
        ("POST", "/v2/transcript", {"content": "{"}, 400, ""),
        ("GET", "/v2/transcript/not-a-uuid", {}, 404, "no job"),
        ("GET", "/v2/nothing", {}, 404, "no such path"),
        ("PUT", "/v2/transcript", {}, 400, "does not take that method"),
        ("GET", "/v2/transcript", {}, 401, "needs an account"),
        ("GET", "/v2/transcript", {"headers": {"authorization": "wrong"}}, 401, "token"),
    ],
)
async def test_errors_are_told_in_one_shape(
    api: httpx2.AsyncClient, method: str, path: str, sent: dict[str, Any], status: int, said: str
) -> None:
    answer = await api.request(method, path, **sent)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert said in answer.json()["error"]


@pytest.mark.parametrize("script", [{"texts": ["Hello, World!", "It's 3.5, no?"]}])
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, "Hello, World! It's 3.5, no?"),
        ({"punctuate": False}, "Hello World It's 3.5 no"),
        ({"format_text": False}, "hello, world! it's 3.5, no?"),
        ({"punctuate": False, "format_text": False}, "hello world it's 3.5 no"),
    ],
)
async def test_punctuation_and_capitals_can_be_left_out(
    client: httpx2.AsyncClient, asked: dict[str, Any], text: str
) -> None:
    found = await completed(client, **asked)
    assert found["text"] == text
    assert [word["text"] for word in found["words"]] == text.split()


async def test_a_threshold_that_is_not_reached_makes_an_error(client: httpx2.AsyncClient) -> None:
    silent = await client.post("/v2/upload", content=silence())
    asked = {"audio_url": silent.json()["upload_url"], "speech_threshold": 0.5}
    transcript = (await client.post("/v2/transcript", json=asked)).json()

    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = (await client.get(f"/v2/transcript/{transcript['id']}")).json()
        return found if found["status"] == "error" else None

    found = await eventually(over)
    assert found
    assert "speech_threshold" in found["error"]
    assert found["text"] is None
    assert (await client.get(f"/v2/transcript/{transcript['id']}/vtt")).status_code == 400
    assert (await completed(client, speech_threshold=0.5))["status"] == "completed"


async def test_a_transcript_as_subtitles(client: httpx2.AsyncClient) -> None:
    transcript = await completed(client)
    path = f"/v2/transcript/{transcript['id']}"
    srt = await client.get(f"{path}/srt")
    assert srt.text.startswith("1\n00:00:00,000 --> 00:00:0")
    vtt = await client.get(f"{path}/vtt")
    assert vtt.text.startswith("WEBVTT\n\n00:00:00.000 --> ")
    narrow = await client.get(f"{path}/srt", params={"chars_per_caption": 12})
    shown = [line for line in narrow.text.splitlines() if line and "-->" not in line and not line.isdigit()]
    assert " ".join(shown) == "Hello world. How are you?"
    assert max(map(len, shown)) <= 12
    assert (await client.get(f"{path}/vtt", params={"chars_per_caption": 1})).status_code == 400


async def test_a_transcript_in_sentences_and_paragraphs(client: httpx2.AsyncClient) -> None:
    transcript = await completed(client)
    path = f"/v2/transcript/{transcript['id']}"
    sentences = (await client.get(f"{path}/sentences")).json()
    assert (sentences["id"], sentences["audio_duration"]) == (transcript["id"], 1)
    assert sentences["confidence"] == pytest.approx(0.9)
    assert [(each["text"], each["start"], each["end"]) for each in sentences["sentences"]] == [
        ("Hello world.", 0, 500),
        ("How are you?", 500, 1000),
    ]
    [paragraph] = (await client.get(f"{path}/paragraphs")).json()["paragraphs"]
    assert paragraph["text"] == "Hello world. How are you?"
    assert [word["text"] for word in paragraph["words"]] == paragraph["text"].split()


@pytest.mark.parametrize("script", [{"texts": ["Norland Park.", "At Norland park, you see."]}])
async def test_words_and_phrases_are_found_in_a_transcript(client: httpx2.AsyncClient) -> None:
    transcript = await completed(client)
    path = f"/v2/transcript/{transcript['id']}/word-search"
    found = (await client.get(path, params={"words": "norland park,see,absent"})).json()
    assert (found["id"], found["total_count"]) == (transcript["id"], 3)
    words = transcript["words"]
    assert found["matches"] == [
        {
            "text": "norland park",
            "count": 2,
            "timestamps": [
                [words[0]["start"], words[1]["end"]],
                [words[3]["start"], words[4]["end"]],
            ],
            "indexes": [0, 3],
        },
        {"text": "see", "count": 1, "timestamps": [[words[6]["start"], words[6]["end"]]], "indexes": [6]},
    ]


async def test_a_list_is_read_page_by_page_both_ways(
    api: httpx2.AsyncClient, sign_up: SignUp, clock: ManualClock
) -> None:
    owner = await sign_up("ada")
    newest_first: list[str] = []
    for _ in range(5):
        newest_first.insert(0, (await submitted(api, owner))["id"])
        clock.advance(seconds=1)
    await submitted(api, await sign_up("eve"))

    async def page(url: str) -> tuple[list[str], dict[str, Any]]:
        answer = await api.get(url, headers=owner)
        assert answer.status_code == 200
        found = answer.json()
        details: dict[str, Any] = found["page_details"]
        assert details["result_count"] == len(found["transcripts"])
        return [each["id"] for each in found["transcripts"]], details

    first, details = await page("/v2/transcript?limit=2")
    assert (first, details["limit"], details["next_url"]) == (newest_first[:2], 2, None)
    second, details = await page(details["prev_url"])
    assert second == newest_first[2:4]
    back, _ = await page(details["next_url"])
    assert back == first
    third, last = await page(details["prev_url"])
    assert (third, last["prev_url"]) == (newest_first[4:], None)
    everything, details = await page("/v2/transcript")
    assert (everything, details["prev_url"], details["next_url"]) == (newest_first, None, None)


async def test_a_list_is_narrowed_by_status_and_day(
    client: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    done = await completed(client, owner)
    today = runtime.clock.now().date()
    for query, expected in [
        ("status=completed", [done["id"]]),
        ("status=error", []),
        (f"created_on={today}", [done["id"]]),
        ("created_on=2001-01-01", []),
    ]:
        found = (await client.get(f"/v2/transcript?{query}", headers=owner)).json()["transcripts"]
        assert [each["id"] for each in found] == expected
    [line] = (await client.get("/v2/transcript", headers=owner)).json()["transcripts"]
    assert line["resource_url"].endswith(f"/v2/transcript/{done['id']}")
    assert (line["status"], line["audio_url"], line["error"]) == ("completed", done["audio_url"], None)
    assert line["created"] <= line["completed"]
    assert (await client.get("/v2/transcript?created_on=yesterday", headers=owner)).status_code == 400


async def test_a_deleted_transcript_is_gone(client: httpx2.AsyncClient) -> None:
    transcript = await completed(client)
    answer = await client.delete(f"/v2/transcript/{transcript['id']}")
    assert answer.status_code == 200
    assert answer.json().keys() == set(KEYS)
    assert (answer.json()["id"], answer.json()["status"]) == (transcript["id"], "completed")
    assert (answer.json()["audio_url"], answer.json()["words"]) == ("http://deleted_by_user", None)
    assert (await client.get(f"/v2/transcript/{transcript['id']}")).status_code == 404


async def test_a_transcript_of_another_contract_can_be_read(client: httpx2.AsyncClient) -> None:
    files = {"file": ("a.wav", sound())}
    job = (await client.post("/v1/transcriptions", files=files, headers={"Prefer": "wait=30"})).json()
    found = (await client.get(f"/v2/transcript/{job['id']}")).json()
    assert (found["status"], found["text"]) == ("completed", "Hello world. How are you?")


@pytest.mark.parametrize("changed_settings", [{"max_body_bytes": 1000, "max_upload_bytes": 10_000}])
async def test_an_upload_may_be_larger_than_a_usual_body_and_has_a_limit(api: httpx2.AsyncClient) -> None:
    assert await uploaded(api, b"x" * 10_000)
    answer = await api.post("/v2/upload", content=b"x" * 10_001, headers={"content-type": "application/json"})
    assert (answer.status_code, "10000 bytes" in answer.json()["error"]) == (413, True)
    body = {"audio_url": "https://example.com/", "prompt": "x" * 1000}
    assert (await api.post("/v2/transcript", json=body)).status_code == 413


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


async def test_a_webhook_says_which_transcript_and_how_it_ended(
    client: httpx2.AsyncClient,
    runtime: Runtime,
    services: list[Service],
    sign_up: SignUp,
    server: Receiver,
) -> None:
    owner = await sign_up("ada")
    async with background(runtime, services):
        transcript = await submitted(
            client,
            owner,
            webhook_url=f"{server.url}/hook?for=ada",
            webhook_auth_header_name="X-My-Secret",
            webhook_auth_header_value="open sesame",
        )
        assert (transcript["webhook_url"], transcript["webhook_auth"]) == (f"{server.url}/hook?for=ada", True)

        async def told() -> dict[str, Any] | None:
            path = f"/v2/transcript/{transcript['id']}"
            found: dict[str, Any] = (await client.get(path, headers=owner)).json()
            return found if found["webhook_status_code"] else None

        found = await eventually(told)
    assert found
    assert found["webhook_status_code"] == 200
    [message] = server.received
    assert (message.method, message.path) == ("POST", "/hook?for=ada")
    assert message.headers["x-my-secret"] == "open sesame"
    assert message.json == {"transcript_id": transcript["id"], "status": "completed"}


async def test_the_secret_of_a_webhook_is_neither_shown_nor_kept_readable(
    api: httpx2.AsyncClient, runtime: Runtime, sign_up: SignUp, server: Receiver
) -> None:
    owner = await sign_up("ada")
    header = {"webhook_auth_header_name": "X-Key", "webhook_auth_header_value": "sesame"}
    transcript = await submitted(api, owner, webhook_url=server.url, **header)
    assert "sesame" not in json.dumps(transcript)
    assert "sesame" not in json.dumps((await wanted_of(runtime, transcript)).to_json())


def silence() -> bytes:
    content = sound()
    return content[:44] + bytes(len(content) - 44)
