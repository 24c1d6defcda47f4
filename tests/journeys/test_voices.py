"""Which voices there are, and how they sound."""

import io
from typing import Any

import av
import httpx2
import pytest


async def voices(client: httpx2.AsyncClient, **query: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/voices", params=query)
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def test_every_voice_is_listed_with_what_it_speaks(client: httpx2.AsyncClient) -> None:
    high, low = await voices(client)
    assert (high["id"], high["gender"], high["languages"]) == ("high", "female", ["en", "es"])
    assert (low["id"], low["gender"], low["available"], low["reason"]) == ("low", "male", True, "")
    assert high["model"] == low["model"]
    assert (await client.get("/v1/voices/low")).json() == low


async def test_a_language_leaves_those_that_speak_it(client: httpx2.AsyncClient) -> None:
    assert [voice["id"] for voice in await voices(client, language="es-mx")] == ["high", "low"]
    assert await voices(client, language="ja") == []


async def test_programs_for_openais_contract_find_them_too(client: httpx2.AsyncClient) -> None:
    found = (await client.get("/v1/audio/voices")).json()["voices"]
    assert [(voice["id"], voice["name"]) for voice in found] == [("high", "high"), ("low", "low")]


async def test_a_sample_can_be_heard_and_is_made_once_for_all(client: httpx2.AsyncClient) -> None:
    (high, _) = await voices(client)
    first = await client.get(high["sample_url"])
    assert (first.status_code, first.headers["content-type"]) == (200, "audio/mpeg")
    with av.open(io.BytesIO(first.content), "r") as file:
        assert sum(frame.samples for frame in file.decode(audio=0)) > 0
    again = await client.get(high["sample_url"])
    assert (again.headers["x-stentor-cached"], again.content) == ("true", first.content)
    wav = await client.get(high["sample_url"], params={"format": "wav"})
    assert wav.headers["content-type"] == "audio/wav"


async def test_a_voice_that_is_not_there_is_not_found(client: httpx2.AsyncClient) -> None:
    for path in ("/v1/voices/homer", "/v1/voices/homer/sample"):
        answer = await client.get(path)
        assert answer.status_code == 404
        assert "there are high, low" in answer.json()["error"]["message"]


async def test_models_of_voices_are_among_the_models(client: httpx2.AsyncClient) -> None:
    models = (await client.get("/v1/models")).json()["data"]
    (model,) = (each for each in models if each["capability"] == "text-to-speech")
    assert (model["id"].partition(":")[0], model["available"]) == ("scripted", True)
    by_voice = await client.get("/v1/models/low")
    assert by_voice.json()["id"] == model["id"]


async def test_vendors_are_among_the_providers(client: httpx2.AsyncClient) -> None:
    providers = (await client.get("/v1/providers")).json()["data"]
    speaking = {each["id"]: each["available"] for each in providers if each["capability"] == "text-to-speech"}
    assert speaking == {"stentor": True, "aws": False, "google": False}


NO_MODEL = {"engine": "piper", "model": "xx_XX-none-low", "languages": ["de"]}


@pytest.mark.parametrize("changed_tts_settings", [{"voices": [NO_MODEL]}])
async def test_a_voice_without_its_model_says_what_is_missing(client: httpx2.AsyncClient) -> None:
    (voice,) = await voices(client)
    assert voice["available"] is False
    assert "xx_XX-none-low" in voice["reason"]
    answer = await client.post("/v1/speech/stream", json={"text": "Guten Tag."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_not_found")
