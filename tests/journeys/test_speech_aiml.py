"""A client of AI/ML API's text to speech: some of its models answer with sound, others with an address."""

from typing import Any

import httpx2
import pytest

PATH = "/v1/tts"
TEXT = "Hello world."


async def speak(client: httpx2.AsyncClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return await client.post(PATH, json={"text": TEXT, **fields}, headers=headers)


@pytest.mark.parametrize("model", ["openai/tts-1", "openai/gpt-4o-mini-tts", "inworld/tts-1-5-mini", "high"])
async def test_most_models_answer_with_the_address_of_the_sound(
    client: httpx2.AsyncClient, model: str
) -> None:
    answer = await speak(client, model=model)
    assert answer.status_code == 201
    found = answer.json()
    assert found["usage"] == {"characters": len(TEXT)}
    # The published SDK sends its key along.
    sound = await client.get(found["audio"]["url"])
    assert (sound.status_code, sound.headers["content-type"]) == (200, "audio/mpeg")


@pytest.mark.parametrize("model", ["#g1_aura-asteria-en", "#g1_aura-2-helena-en", "elevenlabs/v3_alpha"])
async def test_models_whose_documents_save_the_body_answer_with_sound(
    client: httpx2.AsyncClient, model: str
) -> None:
    answer = await speak(client, model=model)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "audio/wav")
    assert answer.content[:4] == b"RIFF"


async def test_who_names_one_of_the_shapes_gets_it(client: httpx2.AsyncClient) -> None:
    sound = await speak(client, {"Accept": "audio/mpeg"}, model="openai/tts-1")
    assert sound.headers["content-type"] == "audio/mpeg"
    address = await speak(client, {"Accept": "application/json"}, model="#g1_aura-asteria-en")
    assert address.json()["audio"]["url"].endswith(".wav")


@pytest.mark.parametrize(
    ("fields", "media_type"),
    [
        ({"response_format": "flac"}, "audio/flac"),
        ({"format": "wav"}, "audio/wav"),
        ({"encoding": "linear16"}, "audio/wav"),
        ({"encoding": "linear16", "container": "none", "sample_rate": "16000"}, "audio/pcm;rate=16000"),
        ({"encoding": "opus"}, "audio/ogg;codecs=opus"),
        ({"encoding": "mulaw", "sample_rate": 8000}, "audio/PCMU;rate=8000"),
        ({"output_format": "mp3_44100_128"}, "audio/mpeg"),
        ({"output_format": "pcm_16000"}, "audio/pcm;rate=16000"),
        ({"output_format": "ulaw_8000"}, "audio/PCMU;rate=8000"),
    ],
)
async def test_formats_are_named_in_the_ways_of_its_models(
    client: httpx2.AsyncClient, fields: dict[str, Any], media_type: str
) -> None:
    answer = await speak(client, model="elevenlabs/eleven_turbo_v2_5", **fields)
    assert (answer.status_code, answer.headers["content-type"]) == (201, media_type)


@pytest.mark.parametrize("fields", [{"speed": 2}, {"voice_settings": {"speed": 2, "stability": 0.5}}])
async def test_speed_is_obeyed_wherever_it_is(client: httpx2.AsyncClient, fields: dict[str, Any]) -> None:
    pcm: dict[str, Any] = {"model": "#g1_aura-asteria-en", "encoding": "linear16", "container": "none"}
    usual, fast = await speak(client, **pcm), await speak(client, **pcm, **fields)
    assert len(fast.content) == pytest.approx(len(usual.content) / 2, rel=0.2)


async def test_what_is_not_served_is_told_as_a_warning(client: httpx2.AsyncClient) -> None:
    found = (await speak(client, model="elevenlabs/v3", voice="Rachel", seed=7)).headers
    assert found["x-stentor-voice"] == "high"
    body = (await speak(client, model="inworld/tts-1", voice="Timothy")).json()
    assert [warning.partition(" ")[0] for warning in body["meta"]["warnings"]] == ["inworld/tts-1", "there"]
    own = (await speak(client, model="openai/tts-1", voice="onyx")).json()
    assert len(own["meta"]["warnings"]) == 1


@pytest.mark.parametrize(
    ("fields", "status", "beginning", "said"),
    [
        ({}, 400, "Body validation error!", "model"),
        ({"model": "openai/tts-1", "text": ""}, 400, "Body validation error!", "nothing to say"),
        ({"model": "openai/tts-1", "encoding": "gsm"}, 400, "Body validation error!", "linear16"),
        ({"model": "openai/tts-1", "output_format": "midi"}, 400, "Body validation error!", "mp3"),
        ({"model": "high", "voice": "Rachel"}, 400, "Body validation error!", "there are high, low"),
        ({"model": "no-such-model"}, 404, "Not Found.", "served are"),
    ],
)
async def test_what_is_wrong_is_told_in_its_words(
    api: httpx2.AsyncClient, fields: dict[str, Any], status: int, beginning: str, said: str
) -> None:
    answer = await speak(api, **fields)
    found = answer.json()
    assert (answer.status_code, found["statusCode"], found["path"]) == (status, status, PATH)
    assert found["message"].startswith(beginning)
    assert said in found["message"]


@pytest.mark.parametrize("changed_settings", [{"max_attempts": 1}])
@pytest.mark.parametrize("voice_script", [{"fails_on": "Hello"}])
async def test_a_failure_is_no_address(client: httpx2.AsyncClient) -> None:
    answer = await speak(client, model="openai/tts-1")
    assert (answer.status_code, answer.json()["statusCode"]) == (500, 500)
