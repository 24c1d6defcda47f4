"""A client of OpenAI's audio routes, moved here by a change of its URL: forms, formats, errors."""

import base64
from typing import Any

import httpx2
import pytest

from stentor_common.auth import Caller
from stentor_common.jobs.repository import JobRepository
from stentor_common.runtime import Runtime
from stentor_common.testing import sound
from stentor_stt.options import Hotword, Options, Spelling, Task
from stentor_stt.settings import SttSettings
from stentor_stt.transcriptions import Transcription

Fields = dict[str, Any]

PATH, TRANSLATIONS = "/v1/audio/transcriptions", "/v1/audio/translations"
BOTH = pytest.mark.parametrize("path", [PATH, TRANSLATIONS])
# Clients name any type, or none.
FILE = ("talk.wav", sound(), "application/octet-stream")
TEXT = "Hello world. How are you?"
USAGE = {"type": "duration", "seconds": 1.0}
VERBOSE: Fields = {"response_format": "verbose_json"}
DIARIZED: Fields = {"response_format": "diarized_json"}
NAMES, VOICES = "known_speaker_names[]", "known_speaker_references[]"
VOICE = f"data:audio/wav;base64,{base64.b64encode(sound(3)).decode()}"


async def send(client: httpx2.AsyncClient, path: str = PATH, **fields: Any) -> httpx2.Response:
    return await client.post(path, files={"file": FILE}, data={"model": "whisper-1", **fields})


async def answer_of(client: httpx2.AsyncClient, path: str = PATH, **fields: Any) -> dict[str, Any]:
    answer = await send(client, path, **fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def asked(client: httpx2.AsyncClient, runtime: Runtime, path: str = PATH, **fields: Any) -> Options:
    """What a request with these fields wants of its recording."""
    answer = await send(client, path, **fields)
    assert answer.status_code == 200, answer.text
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(answer.headers["x-stentor-job-id"], Caller("anywhere"))
    return Transcription.of(job.request).options


def stored(runtime: Runtime) -> list[str]:
    root = runtime.settings.data_dir / "objects"
    return [path.name for path in root.rglob("*") if path.is_file()]


@BOTH
async def test_json_is_what_comes_without_a_wish(client: httpx2.AsyncClient, path: str) -> None:
    assert await answer_of(client, path) == {"text": TEXT, "languages": [{"code": "en"}], "usage": USAGE}


@BOTH
@pytest.mark.parametrize(
    ("response_format", "body"),
    [
        ("text", f"{TEXT}\n"),
        ("srt", f"1\n00:00:00,000 --> 00:00:01,000\n{TEXT}\n"),
        ("vtt", f"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{TEXT}\n"),
    ],
)
async def test_text_and_subtitles_are_the_body_itself(
    client: httpx2.AsyncClient, path: str, response_format: str, body: str
) -> None:
    answer = await send(client, path, response_format=response_format)
    assert (answer.status_code, answer.text) == (200, body)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("path", "task"), [(PATH, "transcribe"), (TRANSLATIONS, "translate")])
async def test_verbose_json_has_segments_with_all_their_figures(
    client: httpx2.AsyncClient, path: str, task: str
) -> None:
    found = await answer_of(client, path, **VERBOSE)

    assert {name: value for name, value in found.items() if name != "segments"} == {
        "task": task,
        "language": "english",
        "duration": 1.0,
        "text": TEXT,
        "usage": USAGE,
    }
    assert found["segments"][1] == {
        "id": 1,
        "seek": 0,
        "start": 0.5,
        "end": 1.0,
        "text": " How are you?",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    assert "".join(segment["text"] for segment in found["segments"]).strip() == found["text"]


@pytest.mark.parametrize(
    ("granularities", "there"),
    [(["word"], {"words"}), (["segment"], {"segments"}), (["word", "segment"], {"words", "segments"})],
)
@pytest.mark.parametrize("name", ["timestamp_granularities[]", "timestamp_granularities"])
async def test_granularities_say_what_a_verbose_json_holds(
    client: httpx2.AsyncClient, name: str, granularities: list[str], there: set[str]
) -> None:
    found = await answer_of(client, **(VERBOSE | {name: granularities}))
    assert found.keys() & {"words", "segments"} == there
    if "words" in there:
        assert found["words"][:2] == [
            {"word": "Hello", "start": 0.0, "end": 0.25},
            {"word": "world.", "start": 0.25, "end": 0.5},
        ]


async def test_diarized_json_has_what_each_speaker_said(client: httpx2.AsyncClient) -> None:
    found = await answer_of(client, **(DIARIZED | {NAMES: ["Elinor"], VOICES: [VOICE]}))

    assert {name: value for name, value in found.items() if name != "segments"} == {
        "task": "transcribe",
        "duration": 1.0,
        "text": TEXT,
        "usage": USAGE,
    }
    first = found["segments"][0]
    assert (first["type"], first["id"], first["start"]) == ("transcript.text.segment", "seg_0", 0.0)
    assert first.keys() == {"type", "id", "start", "end", "text", "speaker"}
    assert " ".join(segment["text"] for segment in found["segments"]) == TEXT


async def test_silence_is_no_text_in_no_language(client: httpx2.AsyncClient) -> None:
    silence = ("silence.wav", sound().replace(b"\x00\x40", b"\x00\x00"))
    form = {"model": "whisper-1"}
    json, verbose, vtt = [
        await client.post(PATH, files={"file": silence}, data={**form, "response_format": wanted})
        for wanted in ("json", "verbose_json", "vtt")
    ]
    assert json.json() == {"text": "", "languages": [], "usage": USAGE}
    assert (verbose.json()["language"], verbose.json()["segments"]) == ("unknown", [])
    assert vtt.text == "WEBVTT\n"


async def test_the_answer_names_a_transcription_that_can_be_asked_for(client: httpx2.AsyncClient) -> None:
    answer = await send(client)
    job = (await client.get(f"/v1/transcriptions/{answer.headers['x-stentor-job-id']}")).json()
    assert (job["status"], job["text"]) == ("completed", TEXT)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, {"language": None, "temperature": None, "word_times": False}),
        ({"language": "fr"}, {"language": "fr"}),
        ({"language": "French"}, {"language": "fr"}),
        ({"language": "fr-CA"}, {"language": "fr"}),
        ({"languages[]": ["fr"]}, {"language": "fr"}),
        ({"languages[]": ["fr", "de"]}, {"language": None}),
        ({"language": "", "prompt": "", "stream": "", "chunking_strategy": ""}, {"language": None}),
        ({"prompt": "Norland Park"}, {"prompt": "Norland Park"}),
        ({"temperature": "0"}, {"temperature": None}),
        ({"temperature": "0.4"}, {"temperature": 0.4}),
        (VERBOSE, {"word_times": False}),
        (VERBOSE | {"timestamp_granularities[]": ["word"]}, {"word_times": True}),
        ({"response_format": "srt"}, {"word_times": True}),
        ({"keywords[]": ["Elinor", "Norland, Sussex"]}, {"hotwords": ("Elinor", "Norland, Sussex")}),
        ({"keywords": "Elinor, Norland"}, {"hotwords": ("Elinor", "Norland")}),
        ({"hotwords[]": ["Elinor:12.5", "Lucy:-3"]}, {"hotwords": (("Elinor", 12.5), ("Lucy", -3.0))}),
        ({"spelling": "elinor=Elinor"}, {"spelling": (Spelling("elinor", "Elinor"),)}),
        ({"voice_activity": "false"}, {"voice_activity": False}),
        ({"clip_start_ms": "100", "clip_end_ms": "900"}, {"clip_start_ms": 100, "clip_end_ms": 900}),
    ],
)
async def test_fields_become_options(
    client: httpx2.AsyncClient, runtime: Runtime, fields: Fields, wanted: dict[str, Any]
) -> None:
    if "hotwords" in wanted:
        pairs = (each if isinstance(each, tuple) else (each,) for each in wanted["hotwords"])
        wanted = {"hotwords": tuple(Hotword(*pair) for pair in pairs)}
    found = await asked(client, runtime, **fields)
    assert {name: getattr(found, name) for name in wanted} == wanted


async def test_a_translation_may_say_what_is_spoken(client: httpx2.AsyncClient, runtime: Runtime) -> None:
    found = await asked(client, runtime, TRANSLATIONS, language="de", prompt="A novel.")
    assert (found.task, found.language, found.prompt) == (Task.TRANSLATE, "de", "A novel.")


@pytest.mark.parametrize(
    "strategy",
    [
        {"chunking_strategy": "auto"},
        {"chunking_strategy": '{"type": "server_vad", "threshold": 0.4}'},
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "300"},
    ],
)
async def test_a_chunking_strategy_is_taken_in_every_spelling(
    client: httpx2.AsyncClient, strategy: dict[str, str]
) -> None:
    assert (await answer_of(client, **strategy))["text"] == TEXT


@pytest.mark.parametrize(
    "model", ["whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "GPT-4o-mini-transcribe"]
)
async def test_a_model_of_openai_is_answered_by_the_default_here(
    client: httpx2.AsyncClient, model: str
) -> None:
    assert (await answer_of(client, model=model))["text"] == TEXT


async def test_a_served_model_can_be_named(client: httpx2.AsyncClient, scripted: SttSettings) -> None:
    assert (await answer_of(client, model=scripted.models[0]))["text"] == TEXT


async def test_known_voices_are_kept_with_their_names_until_the_job_is_deleted(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    voices = {NAMES: ["Elinor", "Dashwood, John"], VOICES: [VOICE, VOICE.upper()[:22] + VOICE[22:]]}
    answer = await send(client, **(DIARIZED | voices), speakers="2")
    job_id = answer.headers["x-stentor-job-id"]
    async with runtime.db.reading() as session:
        job = await JobRepository(session).get(job_id, Caller("anywhere"))

    diarization = Transcription.of(job.request).options.diarization
    assert diarization is not None
    assert diarization.speakers == 2
    assert [each.name for each in diarization.known] == ["Elinor", "Dashwood, John"]
    for known in diarization.known:
        assert (await client.get(f"/v1/uploads/{known.upload_id}")).content == sound(3)

    await client.delete(f"/v1/transcriptions/{job_id}")
    assert stored(runtime) == []


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"model": ""}, "model", "required"),
        ({"response_format": "xml"}, "response_format", "'srt'"),
        ({"temperature": "2"}, "temperature", "less than or equal to 1"),
        ({"language": "xx"}, "language", "no language known"),
        ({"languages[]": ["en", "xx"]}, "languages", "no language known"),
        ({"stream": "perhaps"}, "stream", "boolean"),
        ({"stream": "true"} | VERBOSE, "response_format", "can be streamed"),
        ({"timestamp_granularities[]": "word"}, "timestamp_granularities", "verbose_json"),
        (VERBOSE | {"timestamp_granularities[]": "line"}, "timestamp_granularities", "'word'"),
        ({"include[]": "logprobs"}, "include", "verbose_json"),
        ({"chunking_strategy": "often"}, "chunking_strategy", "auto"),
        ({"chunking_strategy[threshold]": "0.5"}, "chunking_strategy", "required"),
        ({"clip_start_ms": "5", "clip_end_ms": "5"}, "clip_end_ms", "after"),
        ({"speakers": "2"}, "speakers", "diarized_json"),
        ({NAMES: "Elinor", VOICES: VOICE}, "known_speaker_names", "diarized_json"),
        (DIARIZED | {NAMES: "Elinor"}, "known_speaker_names", "needs one"),
        (DIARIZED | {VOICES: VOICE}, "known_speaker_names", "needs one"),
        (DIARIZED | {NAMES: ["A", "A"], VOICES: [VOICE] * 2}, "known_speaker_names", "different"),
        (DIARIZED | {NAMES: "A", VOICES: "https://host/a.wav"}, "known_speaker_references", "data URL"),
        (DIARIZED | {NAMES: "A", VOICES: "data:audio/wav;base64,?"}, "known_speaker_references", "data URL"),
        (DIARIZED | {NAMES: "A", VOICES: "data:audio/wav;base64,"}, "known_speaker_references", "empty"),
        (DIARIZED | {VOICES: [VOICE] * 5}, "known_speaker_references", "at most 4"),
        ({"vad": "true"}, "vad", "not permitted"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_field_and_nothing_is_kept(
    client: httpx2.AsyncClient, runtime: Runtime, fields: Fields, param: str, said: str
) -> None:
    answer = await send(client, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert said in error["message"]
    assert stored(runtime) == []


@pytest.mark.parametrize(
    ("fields", "content", "param"),
    [
        ({"language": "ja"}, sound(), "language"),
        ({"clip_start_ms": "5000"}, sound(), "clip_start_ms"),
        ({}, b"no sound", "file"),
    ],
)
@pytest.mark.parametrize("stream", ["true", "false"])
async def test_a_job_that_fails_blames_the_field_that_is_wrong(
    client: httpx2.AsyncClient, fields: dict[str, str], content: bytes, param: str, stream: str
) -> None:
    form = {"model": "whisper-1", "stream": stream, **fields}
    answer = await client.post(PATH, files={"file": ("talk.wav", content)}, data=form)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
@pytest.mark.parametrize("script", [{"texts": ["Hello."], "fails_after": 0}])
@BOTH
async def test_a_failure_of_ours_is_not_to_be_tried_again(client: httpx2.AsyncClient, path: str) -> None:
    answer = await send(client, path)
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "field", [{"stream": "true"}, DIARIZED, {"timestamp_granularities[]": "word"}, {VOICES: VOICE}]
)
async def test_a_translation_takes_less(client: httpx2.AsyncClient, field: dict[str, str]) -> None:
    answer = await send(client, TRANSLATIONS, **field)
    (name,) = field
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, name.removesuffix("[]"))


@BOTH
async def test_a_model_that_is_not_served_is_not_found(
    client: httpx2.AsyncClient, runtime: Runtime, path: str
) -> None:
    answer = await send(client, path, model="no-such-model")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "served are" in error["message"]
    assert stored(runtime) == []


@pytest.mark.parametrize(
    ("request_body", "param"),
    [
        ({"json": {"model": "whisper-1"}}, "file"),
        ({"data": {"model": "whisper-1"}}, "file"),
        ({"files": {"model": (None, "whisper-1")}}, "file"),
        ({"files": {"model": (None, "whisper-1"), "file": (None, "text")}}, "file"),
        ({"files": {"model": (None, "whisper-1"), "file": ("a.wav", b"")}}, "file"),
        ({"files": {"file": FILE}}, "model"),
    ],
)
@BOTH
async def test_a_request_needs_a_recording_and_a_model(
    client: httpx2.AsyncClient, path: str, request_body: dict[str, Any], param: str
) -> None:
    answer = await client.post(path, **request_body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)


async def test_a_bad_key_has_the_code_that_clients_know(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, files={"file": FILE}, headers={"Authorization": "Bearer sk-wrong"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (401, "invalid_api_key")
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(("changed_settings", "status"), [({}, 200), ({"anonymous_access": False}, 401)])
async def test_who_has_no_key_says_none(client: httpx2.AsyncClient, status: int) -> None:
    form = {"model": "whisper-1"}
    headers = {"Authorization": "Bearer none"}
    answer = await client.post(PATH, files={"file": FILE}, data=form, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_who_sends_too_much_is_told_when_to_come_back(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await send(client)
    before = stored(runtime)
    answer = await send(client, **(DIARIZED | {NAMES: "Elinor", VOICES: VOICE}))
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert answer.headers["retry-after"]
    assert stored(runtime) == before


async def test_a_request_sent_twice_with_one_key_makes_one_job(
    client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    key = {"Idempotency-Key": "once"}
    form = {"model": "whisper-1", **DIARIZED, NAMES: "Elinor", VOICES: VOICE}
    first, second = [await client.post(PATH, files={"file": FILE}, data=form, headers=key) for _ in range(2)]
    assert first.headers["x-stentor-job-id"] == second.headers["x-stentor-job-id"]
    assert second.headers["idempotency-replayed"] == "true"
    assert first.json() == second.json()
    assert len(stored(runtime)) == 2

    other = await client.post(PATH, files={"file": FILE}, data={"model": "whisper-1"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    # Clients take 409 for a lock, and would send the recording again.
    assert other.headers["x-should-retry"] == "false"
