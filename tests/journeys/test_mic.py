"""A microphone client of the DeepSpeech REST API: it sends 1024 samples, waits for a text, and sends on."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from fastapi import FastAPI

from stentor_common.testing_sockets import Socket, SocketClosed, SocketRefused, websocket

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

MIC = "/api/v1/stt/mic"
MESSAGE = 2048
SAID = "hello world how are you"
NEVER = {"texts": ["Hello world."], "seconds_per_audio_second": 10_000}

pytestmark = pytest.mark.usefixtures("client")


def speech(seconds: float) -> list[bytes]:
    """Messages as the published client cuts them."""
    samples = 3000 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    sound = samples.astype("<i2").tobytes()
    return [sound[at : at + MESSAGE] for at in range(0, len(sound) - MESSAGE + 1, MESSAGE)]


async def spoken(socket: Socket, messages: list[bytes]) -> list[str]:
    """Sends each and waits for the text that answers it."""
    texts = []
    for message in messages:
        await socket.send(message)
        text = await socket.receive()
        assert isinstance(text, str)
        texts.append(text)
        # The sound comes as it is spoken, and the model has time between.
        await asyncio.sleep(0.001)
    return texts


@pytest.mark.parametrize("path", [MIC, "/api/v1/mic", f"{MIC}/"])
async def test_each_message_is_answered_with_the_text_so_far(app: FastAPI, path: str) -> None:
    async with websocket(app, path) as socket:
        texts = await spoken(socket, [*speech(3), *[bytes(MESSAGE)] * 30])
    assert texts[0] == ""
    assert texts[-1] == SAID


@pytest.mark.parametrize("script", [NEVER])
async def test_no_message_waits_for_the_model(app: FastAPI) -> None:
    async with websocket(app, MIC) as socket:
        texts = await spoken(socket, speech(5))
    assert set(texts) == {""}


async def test_further_turns_follow_the_first(app: FastAPI) -> None:
    async with websocket(app, MIC) as socket:
        pause = [bytes(MESSAGE)] * 20
        texts = await spoken(socket, [*speech(1.5), *pause, *speech(1.5), *pause])
    assert texts[-1] == f"{SAID} {SAID}"


async def test_hot_words_may_come_first_and_get_no_answer(app: FastAPI) -> None:
    async with websocket(app, MIC) as socket:
        await socket.send(json.dumps({"power": 1000, "paris": -1000}))
        assert len(await spoken(socket, speech(1))) == 15


@pytest.mark.parametrize(
    ("messages", "says", "code"),
    [
        (["power"], "JSON object", 1008),
        (['{"power": "much"}'], "'power'", 1008),
        ([bytes(MESSAGE - 1)], "even number of bytes", 1008),
        ([bytes(MESSAGE), "{}"], "before the sound", 1008),
        ([bytes(1024 * 1024 + 2)], "smaller", 1009),
    ],
)
async def test_what_is_wrong_is_told_and_ends_the_connection(
    app: FastAPI, messages: list[str | bytes], says: str, code: int
) -> None:
    async with websocket(app, MIC) as socket:
        for message in messages[:-1]:
            await socket.send(message)
            if isinstance(message, bytes):
                await socket.receive()
        await socket.send(messages[-1])
        assert says in str(await socket.receive())
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == code
    assert says in closed.value.reason


@pytest.mark.parametrize("script", [{"texts": ["Hello."], "fails_after": 0}])
async def test_a_broken_model_is_told_and_ends_the_connection(app: FastAPI) -> None:
    async with websocket(app, MIC) as socket:
        with pytest.raises(SocketClosed) as closed:
            await spoken(socket, speech(20))
    assert closed.value.code == 1011


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
@pytest.mark.parametrize("place", ["header", "query", "message"])
async def test_a_token_is_taken_in_three_places(app: FastAPI, sign_up: SignUp, place: str) -> None:
    bearer = await sign_up("marianne")
    token = bearer["Authorization"].removeprefix("Bearer ")
    url = f"{MIC}?token={token}" if place == "query" else MIC
    async with websocket(app, url, headers=bearer if place == "header" else None) as socket:
        if place == "message":
            await socket.send(json.dumps({"token": token}))
        assert await spoken(socket, [bytes(MESSAGE)]) == [""]


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
async def test_where_nobody_is_anonymous_a_microphone_needs_a_token(app: FastAPI) -> None:
    async with websocket(app, MIC) as socket:
        await socket.send(bytes(MESSAGE))
        assert "token" in str(await socket.receive())
        with pytest.raises(SocketClosed):
            await socket.receive()


async def test_a_bad_token_is_refused_before_the_connection_is_made(app: FastAPI) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, f"{MIC}?token=wrong"):
            pass
    assert refused.value.status == 401
