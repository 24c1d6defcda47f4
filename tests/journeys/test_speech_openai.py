"""A client of OpenAI's speech route, moved here by a change of its URL."""

import base64
import io
import json
from typing import Any

import av
import httpx2
import pytest

PATH = "/v1/audio/speech"
TEXT = "Hello world. How are you?"
BODY: dict[str, Any] = {"model": "tts-1", "input": TEXT, "voice": "alloy"}


async def say(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    return await client.post(PATH, json=BODY | fields)


@pytest.mark.parametrize(
    ("response_format", "media_type"),
    [
        (None, "audio/mpeg"),
        ("mp3", "audio/mpeg"),
        ("opus", "audio/ogg;codecs=opus"),
        ("aac", "audio/aac"),
        ("flac", "audio/flac"),
        ("wav", "audio/wav"),
    ],
)
async def test_every_format_can_be_played(
    client: httpx2.AsyncClient, response_format: str | None, media_type: str
) -> None:
    answer = await say(client, **({"response_format": response_format} if response_format else {}))
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    with av.open(io.BytesIO(answer.content), "r") as file:
        assert sum(frame.samples / frame.sample_rate for frame in file.decode(audio=0)) > 0.5


async def test_pcm_is_at_24_kilohertz(client: httpx2.AsyncClient) -> None:
    pcm = await say(client, response_format="pcm")
    assert pcm.headers["content-type"] == "audio/pcm;rate=24000"
    slower = await say(client, response_format="pcm", sample_rate=8000)
    assert len(pcm.content) == pytest.approx(3 * len(slower.content), rel=0.01)


@pytest.mark.parametrize("model", ["tts-1", "tts-1-hd", "gpt-4o-mini-tts", "GPT-4o-mini-tts"])
@pytest.mark.parametrize(("voice", "speaker"), [("alloy", "high"), ("onyx", "low"), ({"id": "low"}, "low")])
async def test_models_and_voices_of_openai_are_answered_by_those_here(
    client: httpx2.AsyncClient, model: str, voice: Any, speaker: str
) -> None:
    answer = await say(client, model=model, voice=voice)
    assert (answer.status_code, answer.headers["x-stentor-voice"]) == (200, speaker)


async def test_speed_is_obeyed(client: httpx2.AsyncClient) -> None:
    usual, fast = [await say(client, response_format="pcm", speed=speed) for speed in (1, 2)]
    assert len(fast.content) == pytest.approx(len(usual.content) / 2, rel=0.15)


async def test_instructions_are_taken_and_a_header_says_that_they_do_nothing(
    client: httpx2.AsyncClient,
) -> None:
    answer = await say(client, instructions="Sound like a pirate.")
    assert answer.status_code == 200
    assert "instructions have no effect" in answer.headers["x-stentor-warning"]
    assert "x-stentor-warning" not in (await say(client)).headers


async def test_events_hold_the_file_in_pieces_and_end_with_the_usage(client: httpx2.AsyncClient) -> None:
    whole = await say(client, cache=False)
    answer = await say(client, stream_format="sse", cache=False)
    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = answer.text.split("\n\n")
    *deltas, done = [json.loads(line.removeprefix("data: ")) for line in lines if line]
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == whole.content
    usage = done["usage"]
    assert done["type"] == "speech.audio.done"
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert (usage["input_tokens"], usage["output_tokens"] > 10) == (7, True)


async def test_events_can_come_from_the_cache(client: httpx2.AsyncClient) -> None:
    first, second = [await say(client, stream_format="sse") for _ in range(2)]
    assert (first.headers["x-stentor-cached"], second.headers["x-stentor-cached"]) == ("false", "true")
    assert first.text.rpartition("data:")[2] == second.text.rpartition("data:")[2]


@pytest.mark.parametrize("voice_script", [{"cannot_say": ["hm."]}])
async def test_what_goes_wrong_in_the_middle_of_events_is_an_event(client: httpx2.AsyncClient) -> None:
    text = " ".join(["This can be said."] * 30) + " hm. This too."
    answer = await say(client, input=text, stream_format="sse")
    assert answer.status_code == 200
    last = json.loads(answer.text.strip().rpartition("data: ")[2])
    assert (last["error"]["code"], last["error"]["param"]) == ("cannot_say", "input")


@pytest.mark.parametrize(
    ("fields", "code", "param", "said"),
    [
        ({"input": ""}, "string_below_min_length", "input", "empty string"),
        (
            {"input": "a" * 4097},
            "string_above_max_length",
            "input",
            "maximum length 4096, but got a string with length 4097",
        ),
        ({"input": "?!"}, "unspeakable", "input", "nothing to say"),
        ({"input": "<speak><b>a</speak>"}, "invalid_ssml", "input", "line 1"),
        ({"voice": "homer"}, "unknown_voice", "voice", "there are high, low"),
        ({"voice": None}, "invalid_request", "voice", "voice"),
        ({"response_format": "midi"}, "invalid_request", "response_format", "'flac'"),
        ({"response_format": "opus", "sample_rate": 44100}, "unknown_sample_rate", "sample_rate", "48000"),
        ({"speed": 9}, "invalid_request", "speed", "less than or equal to 4"),
        ({"stream_format": "smoke"}, "invalid_request", "stream_format", "'sse'"),
        ({"tone": 1}, "invalid_request", "tone", "not permitted"),
    ],
)
async def test_what_is_wrong_is_told_in_openais_words(
    api: httpx2.AsyncClient, fields: dict[str, Any], code: str, param: str, said: str
) -> None:
    answer = await say(api, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert (error["code"], error["param"]) == (code, param)
    assert said in error["message"]


async def test_an_unknown_model_is_told_with_those_that_are_served(api: httpx2.AsyncClient) -> None:
    answer = await say(api, model="tts-9")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
    assert "served are scripted:" in error["message"]


NO_MODEL = {"engine": "piper", "model": "xx_XX-none-low", "languages": ["de"]}


@pytest.mark.parametrize("changed_tts_settings", [{"voices": [NO_MODEL]}])
async def test_what_only_an_operator_can_mend_is_not_to_be_tried_again(client: httpx2.AsyncClient) -> None:
    answer = await say(client, input="Guten Tag.")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_found")
    assert answer.headers["x-should-retry"] == "false"


async def test_a_wrong_key_is_told_by_its_code(api: httpx2.AsyncClient) -> None:
    answer = await api.post(PATH, json=BODY, headers={"Authorization": "Bearer sk-wrong"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
async def test_a_body_that_is_no_object_is_refused(api: httpx2.AsyncClient, body: bytes) -> None:
    answer = await api.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
