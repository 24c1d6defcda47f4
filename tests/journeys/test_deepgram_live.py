"""Somebody speaks into a live client of Deepgram; this is what goes over its WebSocket.

The engine says the same two sentences whatever it hears, as long as that is not silent.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import httpx2
import numpy as np
import pytest
from fastapi import FastAPI

from stentor_common.testing_sockets import Socket, SocketClosed, SocketRefused, websocket

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

URL = "/v1/listen?encoding=linear16&sample_rate=16000"

pytestmark = pytest.mark.usefixtures("client")


def noise(seconds: float) -> bytes:
    samples = 3000 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    return samples.astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(2 * int(seconds * 16_000))


async def say(socket: Socket, sound: bytes) -> None:
    for at in range(0, len(sound), 3200):
        await socket.send(sound[at : at + 3200])


async def order(socket: Socket, kind: str) -> None:
    await socket.send(json.dumps({"type": kind}))


async def until(socket: Socket, over: Callable[[dict[str, Any]], Any]) -> list[dict[str, Any]]:
    """All messages up to the first of which that is true."""
    found = [await socket.receive_json()]
    while not over(found[-1]):
        found.append(await socket.receive_json())
    return found


def is_last(message: dict[str, Any]) -> bool:
    return bool(message["type"] == "Metadata")


def ends_turn(message: dict[str, Any]) -> bool:
    return bool(message.get("speech_final"))


def final(messages: list[dict[str, Any]]) -> str:
    """What clients put together: the final results, one behind the other."""
    texts = [
        each["channel"]["alternatives"][0]["transcript"]
        for each in messages
        if each["type"] == "Results" and each["is_final"]
    ]
    return " ".join(filter(None, texts))


async def test_what_is_said_comes_back_when_the_stream_is_closed(app: FastAPI) -> None:
    sound = noise(1)
    async with websocket(app, f"{URL}&punctuate=true&numerals=true") as socket:
        await say(socket, sound)
        await order(socket, "CloseStream")
        messages = await until(socket, is_last)
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == 1000
    assert final(messages) == "Hello world. How are you?"
    last = messages[-1]
    assert (last["duration"], last["channels"]) == (1.0, 1)
    assert last["sha256"] == hashlib.sha256(sound).hexdigest()
    assert [each["parameter"] for each in last["warnings"]] == ["numerals"]
    assert {each["metadata"]["request_id"] for each in messages[:-1]} == {last["request_id"]}
    words = [word for each in messages[:-1] for word in each["channel"]["alternatives"][0]["words"]]
    assert (words[1]["word"], words[1]["punctuated_word"]) == ("world", "world.")
    assert all(word["start"] <= word["end"] <= 1 for word in words)


async def test_without_punctuation_the_words_are_bare(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await say(socket, noise(1))
        await socket.send(b"")
        assert final(await until(socket, is_last)) == "hello world how are you"


async def test_a_pause_ends_a_turn_and_is_told_as_asked_for(app: FastAPI) -> None:
    query = "&endpointing=300&vad_events=true&utterance_end_ms=1000&interim_results=true"
    async with websocket(app, URL + query) as socket:
        await say(socket, noise(1) + silence(2))
        messages = await until(socket, lambda each: each["type"] == "UtteranceEnd")
        await order(socket, "KeepAlive")
        await say(socket, noise(1))
        await order(socket, "CloseStream")
        more = await until(socket, is_last)
    assert messages[0]["type"] == "SpeechStarted"
    assert final(messages) == final(more) == "hello world how are you"
    *_, spoken, ended = messages
    assert (spoken["is_final"], spoken["speech_final"], spoken["from_finalize"]) == (True, True, False)
    results = [each for each in (*messages, *more) if each["type"] == "Results" and each["is_final"]]
    words = [word for each in messages[1:-1] for word in each["channel"]["alternatives"][0]["words"]]
    assert ended["last_word_end"] == words[-1]["end"]
    for before, after in pairwise(results):
        assert after["start"] == pytest.approx(before["start"] + before["duration"])


async def test_a_client_may_say_itself_where_a_turn_ends(app: FastAPI) -> None:
    async with websocket(app, f"{URL}&endpointing=false") as socket:
        await say(socket, noise(1))
        await order(socket, "Finalize")
        messages = await until(socket, ends_turn)
        assert messages[-1]["from_finalize"]
        assert final(messages) == "hello world how are you"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "encoding (linear16, mulaw, alaw)"),
        ("?encoding=opus&sample_rate=16000", "encoding (linear16, mulaw, alaw)"),
        ("?encoding=linear16", "sample_rate"),
        ("?encoding=linear16&sample_rate=16000&channels=2", "one channel"),
        ("?encoding=linear16&sample_rate=16000&callback=https://example.com/", "by this connection"),
        ("?encoding=linear16&sample_rate=16000&redact=pci", "redact is not done"),
        ("?encoding=linear16&sample_rate=16000&language=tlh", "'tlh'"),
        ("?encoding=linear16&sample_rate=16000&endpointing=soon", "endpointing"),
    ],
)
async def test_what_is_not_done_is_refused_before_it_begins(app: FastAPI, query: str, said: str) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, f"/v1/listen{query}"):
            pass
    assert refused.value.status == 400
    assert said in json.loads(refused.value.body)["err_msg"]


@pytest.mark.parametrize("message", ["{", "[]", json.dumps({"type": "Speak"})])
async def test_a_message_that_makes_no_sense_is_an_error(app: FastAPI, message: str) -> None:
    async with websocket(app, URL) as socket:
        await socket.send(message)
        answer = await socket.receive_json()
    assert (answer["type"], bool(answer["description"])) == ("Error", True)


async def test_a_browser_sends_its_key_as_a_subprotocol(
    app: FastAPI, client: httpx2.AsyncClient, sign_up: SignUp
) -> None:
    owner = await sign_up("ada")
    made = await client.post("/v1/tokens", json={"name": "browser"}, headers=owner)
    key = made.json()["token"]
    async with websocket(app, URL, headers={"Sec-WebSocket-Protocol": f"token, {key}"}) as socket:
        await order(socket, "CloseStream")
        assert is_last(await socket.receive_json())
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, URL, headers={"Sec-WebSocket-Protocol": "token, wrong"}):
            pass
    assert (refused.value.status, json.loads(refused.value.body)["err_code"]) == (401, "INVALID_AUTH")
