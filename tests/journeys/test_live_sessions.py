"""Live transcription by the native contract: options, sound, events; and who is let in."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from stentor_common.runtime import Runtime
from stentor_common.testing_sockets import Socket, SocketClosed, SocketRefused, websocket

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

LIVE = "/v1/transcriptions/live"
SAID = "Hello world. How are you?"

pytestmark = pytest.mark.usefixtures("client")


def noise(seconds: float) -> bytes:
    samples = 3000 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    return samples.astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * 16_000))


async def begun(socket: Socket, **options: Any) -> dict[str, Any]:
    await socket.send(json.dumps(options))
    found: dict[str, Any] = await socket.receive_json()
    return found


async def until(socket: Socket, kind: str) -> list[dict[str, Any]]:
    """All events up to one of this kind."""
    events: list[dict[str, Any]] = [await socket.receive_json()]
    while events[-1]["type"] != kind:
        events.append(await socket.receive_json())
    return events


async def all_of(socket: Socket) -> list[dict[str, Any]]:
    """Events up to the server's end of the connection."""
    events = await until(socket, "done")
    with pytest.raises(SocketClosed) as closed:
        await socket.receive()
    assert closed.value.code == 1000
    return events


async def test_a_session_from_its_options_to_its_end(app: FastAPI) -> None:
    async with websocket(app, LIVE) as socket:
        ready = await begun(socket, language="en")
        assert (ready["type"], len(ready["id"])) == ("ready", 36)
        sound = silence(1) + noise(2) + silence(1)
        for at in range(0, len(sound), 3200):
            await socket.send(sound[at : at + 3200])
        await socket.send('{"type": "finish"}')
        events = await all_of(socket)

    kinds = [event["type"] for event in events]
    assert kinds[0] == "speech_started"
    assert kinds[-2:] == ["final", "done"]
    final = events[-2]
    assert final["text"] == SAID == "".join(e["text"] for e in events if e["type"] == "settled")
    assert final["language"] == "en"
    assert [word["text"] for word in final["words"]] == SAID.split()
    assert (
        final["start_ms"] <= final["words"][0]["start_ms"] < final["words"][-1]["end_ms"] <= final["end_ms"]
    )
    assert events[-1] == {"type": "done", "duration_ms": 4000}


async def test_what_was_not_said_to_its_end_is_heard_at_the_end(app: FastAPI) -> None:
    async with websocket(app, LIVE) as socket:
        await begun(socket)
        await socket.send(noise(0.3))
        await socket.send('{"type": "finish"}')
        assert [event["text"] for event in await all_of(socket) if event["type"] == "final"] == [SAID]


async def test_turns_may_end_by_commits(app: FastAPI) -> None:
    async with websocket(app, LIVE) as socket:
        await begun(socket, turns_end="commit")
        for order in ("commit", "clear", "finish"):
            await socket.send(noise(1))
            await socket.send(json.dumps({"type": order}))
        finals = [event for event in await all_of(socket) if event["type"] == "final"]
    assert [(final["turn"], final["text"]) for final in finals][:1] == [(0, SAID)]
    assert [final["end_ms"] for final in finals] == [1000, 3000]


async def test_sound_of_another_rate_and_encoding(app: FastAPI) -> None:
    async with websocket(app, LIVE) as socket:
        await begun(socket, encoding="mulaw", sample_rate=8000)
        await socket.send(bytes([0x0F, 0x8F]) * 4000)
        await socket.send('{"type": "finish"}')
        events = await all_of(socket)
    assert events[-1]["duration_ms"] == 1000
    assert events[-2]["text"] == SAID


async def test_own_spellings_and_vocabularies_apply(
    app: FastAPI, api: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    headers = await sign_up("elinor")
    saved = {"spelling": ["world=World"]}
    assert (await api.put("/v1/vocabularies/names", json=saved, headers=headers)).is_success
    async with websocket(app, LIVE, headers=headers) as socket:
        await begun(socket, spelling=["Hello=Hallo"], vocabulary="names")
        await socket.send(noise(1))
        await socket.send('{"type": "finish"}')
        assert (await all_of(socket))[-2]["text"] == "Hallo World. How are you?"


@pytest.mark.parametrize(
    ("messages", "code", "says"),
    [
        (["hello"], "invalid_json", "not valid JSON"),
        ([b"\0\0"], "invalid_json", "text message"),
        (['{"colour": "red"}'], "invalid_request", "colour"),
        (['{"sample_rate": 4000}'], "invalid_request", "sample_rate"),
        (['{"model": "no-such"}'], "model_not_found", "no-such"),
        (['{"language": "ja"}'], "unknown_language", "'ja'"),
        (['{"vocabulary": "mine"}'], "invalid_credentials", "account"),
        (["{}", '{"type": "stop"}'], "invalid_request", "type"),
        (["{}", b"\0"], "bad_input", "even number"),
        (["{}", bytes(1024 * 1024 + 2)], "too_large", "smaller"),
    ],
)
async def test_what_is_wrong_is_told_and_ends_the_session(
    app: FastAPI, messages: list[str | bytes], code: str, says: str
) -> None:
    async with websocket(app, LIVE) as socket:
        for message in messages:
            await socket.send(message)
        event = await socket.receive_json()
        while event["type"] == "ready":
            event = await socket.receive_json()
        assert (event["type"], event["error"]["code"]) == ("error", code)
        assert says in event["error"]["message"]
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == (1009 if code == "too_large" else 1008)


@pytest.mark.parametrize("changed_stt_settings", [{"live_sessions": 2}])
async def test_when_all_places_are_taken_the_next_one_is_told_to_come_later(app: FastAPI) -> None:
    async with AsyncExitStack() as open_ones:
        for _ in range(2):
            await open_ones.enter_async_context(websocket(app, LIVE))
        with pytest.raises(SocketRefused) as refused:
            async with websocket(app, LIVE):
                pass
        assert refused.value.status == 503
    async with websocket(app, LIVE) as socket:
        assert (await begun(socket))["type"] == "ready"


@pytest.mark.parametrize("changed_stt_settings", [{"live_sessions_per_caller": 1}])
async def test_one_caller_cannot_take_the_places_of_all(app: FastAPI) -> None:
    async with websocket(app, LIVE, address="203.0.113.1"):
        with pytest.raises(SocketRefused) as refused:
            async with websocket(app, LIVE, address="203.0.113.1"):
                pass
        assert refused.value.status == 429
        async with websocket(app, LIVE, address="203.0.113.2") as socket:
            assert (await begun(socket))["type"] == "ready"


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
async def test_a_session_counts_as_a_new_job(app: FastAPI) -> None:
    async with websocket(app, LIVE):
        pass
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, LIVE):
            pass
    assert refused.value.status == 429
    assert "at most 1 new jobs" in json.loads(refused.value.body)["error"]["message"]


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
async def test_where_nobody_is_anonymous_a_session_needs_a_token(app: FastAPI, sign_up: SignUp) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, LIVE):
            pass
    assert refused.value.status == 401
    async with websocket(app, LIVE, headers=await sign_up("elinor")) as socket:
        assert (await begun(socket))["type"] == "ready"


@pytest.mark.parametrize("changed_stt_settings", [{"live_idle_seconds": 0.05}])
async def test_a_client_that_falls_silent_hears_what_it_said_and_is_parted_from(app: FastAPI) -> None:
    async with websocket(app, LIVE) as socket:
        await begun(socket)
        await socket.send(noise(1))
        events = await until(socket, "error")
    assert [event["text"] for event in events if event["type"] == "final"] == [SAID]
    assert events[-1]["error"]["code"] == "session_over"


async def test_the_sound_heard_is_counted(app: FastAPI, runtime: Runtime) -> None:
    async with websocket(app, LIVE) as socket:
        model = (await begun(socket))["model"]
        await socket.send(noise(1))
        await socket.send('{"type": "finish"}')
        await all_of(socket)
    heard = runtime.metrics.registry.get_sample_value(
        "stentor_media_seconds_total", {"kind": "stt.live", "model": model}
    )
    assert heard == 1.0


async def test_sessions_do_not_hear_each_other(app: FastAPI) -> None:
    async def ends(seconds: float) -> int:
        async with websocket(app, LIVE) as socket:
            await begun(socket, turns_end="commit")
            await socket.send(noise(seconds))
            await socket.send('{"type": "finish"}')
            return int((await all_of(socket))[-1]["duration_ms"])

    assert await asyncio.gather(*map(ends, (1, 2, 3))) == [1000, 2000, 3000]
