"""A text that is spoken while its client listens, and what happens when the client is slow, or goes."""

import asyncio
import io
import json
import wave
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from stentor_common.runtime import Runtime
from stentor_common.testing import eventually

PATH = "/v1/speech/stream"
TEXT = "Hello world. How are you?"
LONG = " ".join(f"This is sentence number {number}." for number in range(1, 101))
DIARY = pytest.mark.parametrize("voice_script", [{"diary": "diary"}])


class Listener:
    """A request over ASGI whose answer is taken as slowly as a test wants, and whose client can go away."""

    def __init__(self, app: FastAPI, **fields: Any) -> None:
        body = json.dumps(fields).encode()
        self._body = [{"type": "http.request", "body": body, "more_body": False}]
        self._gone = asyncio.Event()
        self._wanted = asyncio.Semaphore(0)
        self.status = 0
        self.headers: dict[str, str] = {}
        self.sound = b""
        self.ended = False
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": "POST",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "scheme": "http",
            "server": ("stentor", 80),
            "client": ("203.0.113.9", 1234),
            "http_version": "1.1",
            "root_path": "",
        }
        self.over = asyncio.create_task(app(scope, self._receive, self._send))

    def take(self, pieces: int) -> None:
        """Read on."""
        for _ in range(pieces):
            self._wanted.release()

    async def begun(self) -> bool:
        return bool(self.sound)

    async def leave(self) -> None:
        """Close the connection, and wait until the other side has noticed."""
        self._gone.set()
        await self.over

    async def _receive(self) -> dict[str, Any]:
        if self._body:
            return self._body.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        if message.get("body"):
            await self._wanted.acquire()
            self.sound += message["body"]
        self.ended = not message.get("more_body")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a script's diary is written."""
    monkeypatch.chdir(tmp_path)


def said() -> list[str]:
    """The sentences that the engine has said."""
    path = Path("diary")
    return [json.loads(line)["text"] for line in path.read_text().splitlines()] if path.exists() else []


async def stream(client: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    answer = await client.post(PATH, json={"text": TEXT, **fields})
    assert answer.status_code == 200, answer.text
    return answer


async def test_the_sound_is_the_answer(client: httpx2.AsyncClient) -> None:
    answer = await stream(client, format="wav", voice="low")
    assert answer.headers["content-type"] == "audio/wav"
    assert answer.headers["content-disposition"] == 'inline; filename="speech.wav"'
    assert (answer.headers["x-stentor-voice"], answer.headers["x-stentor-cached"]) == ("low", "false")
    # Its header knows no length: it was sent before there was one.
    assert answer.content[:4] == b"RIFF"
    assert len(answer.content) > 8000


async def test_a_stream_sounds_like_a_file(client: httpx2.AsyncClient) -> None:
    streamed = await stream(client, format="pcm", cache=False)
    job = await client.post(
        "/v1/speech", json={"text": TEXT, "format": "wav", "cache": False}, headers={"Prefer": "wait=30"}
    )
    file = await client.get(job.json()["audio_url"])
    with wave.open(io.BytesIO(file.content)) as found:
        assert found.readframes(found.getnframes()) == streamed.content


async def test_ssml_can_be_streamed(client: httpx2.AsyncClient) -> None:
    plain = await stream(client, text="One. Two.", format="pcm")
    answer = await client.post(
        PATH, json={"ssml": '<speak>One.<break time="1s"/>Two.</speak>', "format": "pcm"}
    )
    assert len(answer.content) - len(plain.content) > 8000


@DIARY
async def test_nobody_speaks_ahead_of_a_client_that_does_not_listen(app: FastAPI, client: object) -> None:
    listener = Listener(app, text=LONG, format="pcm")
    listener.take(1)
    await eventually(listener.begun)

    async def stuck() -> bool:
        before = len(said())
        await asyncio.sleep(0.2)
        return len(said()) == before

    await eventually(stuck)
    # The one that waits to be sent, what was joined of the next, and those that are made in advance.
    assert len(said()) <= 6
    listener.take(10_000)
    await listener.over
    assert listener.ended
    assert len(said()) == 100


@DIARY
async def test_when_the_client_goes_nothing_more_is_said(app: FastAPI, client: object) -> None:
    listener = Listener(app, text=LONG, format="pcm")
    listener.take(2)
    await eventually(listener.begun)
    await listener.leave()
    so_far = len(said())
    assert so_far < 10
    await asyncio.sleep(0.1)
    assert len(said()) <= so_far + 1


@pytest.mark.parametrize("voice_script", [{"diary": "diary", "seconds_per_audio_second": 100}])
async def test_a_client_that_goes_before_the_first_sound_is_noticed_too(app: FastAPI, client: object) -> None:
    listener = Listener(app, text=LONG)

    async def speaking() -> bool:
        return bool(said())

    await eventually(speaking)
    await listener.leave()
    assert (listener.status, listener.sound) == (499, b"")


@pytest.mark.parametrize("voice_script", [{"fails_on": "Hello"}])
async def test_what_goes_wrong_before_the_first_sound_is_told_by_the_status(
    client: httpx2.AsyncClient,
) -> None:
    answer = await client.post(PATH, json={"text": TEXT})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/json")


@pytest.mark.parametrize("voice_script", [{"cannot_say": ["Hm."]}])
async def test_what_a_voice_has_no_sounds_for_is_the_callers_to_mend(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, json={"text": "Hm."})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "cannot_say", "text")


@pytest.mark.parametrize("voice_script", [{"fails_on": "ninety-nine"}])
async def test_what_goes_wrong_later_breaks_the_answer_off(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    listener = Listener(app, text=LONG, format="pcm")
    listener.take(10_000)
    with pytest.raises(Exception, match="fails on"):
        await listener.over
    assert (listener.status, listener.ended) == (200, False)
    assert listener.sound
    # What is not whole is not kept.
    assert [path for path in (runtime.settings.data_dir / "objects").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("changed_tts_settings", [{"streams_per_caller": 1}])
async def test_a_caller_listens_to_so_many_texts_at_a_time(app: FastAPI, client: httpx2.AsyncClient) -> None:
    listener = Listener(app, text=LONG, format="pcm")
    listener.take(1)
    await eventually(listener.begun)
    refused = await client.post(PATH, json={"text": TEXT})
    assert refused.status_code == 429
    assert "1 texts being spoken already" in refused.json()["error"]["message"]
    await listener.leave()
    await stream(client)


@DIARY
async def test_a_short_text_overtakes_a_long_one_of_the_same_caller(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    job = (await client.post("/v1/speech", json={"text": LONG})).json()

    async def under_way() -> bool:
        return len(said()) > 3

    await eventually(under_way)
    await stream(client, text="I am short.")
    assert said().index("I am short.") < 50
    await client.post(f"/v1/speech/{job['id']}/cancel")


@pytest.mark.parametrize("changed_tts_settings", [{"stream_characters": 10}])
async def test_a_text_too_long_to_listen_to_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post(PATH, json={"text": TEXT})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "text_too_long")
