"""Somebody speaks into a realtime client of OpenAI; this is what goes over its WebSocket.

The engine says the same two sentences whatever it hears, as long as that is not silent.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI

from stentor_common.testing_sockets import Socket, SocketClosed, SocketRefused, websocket

Headers = dict[str, str]
SignUp = Callable[[str], Awaitable[Headers]]

URL = "/v1/realtime?intent=transcription"
SAID = "Hello world. How are you?"
DELTA = "conversation.item.input_audio_transcription.delta"
COMPLETED = "conversation.item.input_audio_transcription.completed"
FAILED = "conversation.item.input_audio_transcription.failed"
ENDS = (COMPLETED, FAILED, "error")

pytestmark = pytest.mark.usefixtures("client")


def noise(seconds: float, rate: int = 24_000) -> bytes:
    samples = 3000 * np.random.default_rng(1).standard_normal(int(seconds * rate))
    return samples.astype("<i2").tobytes()


def silence(seconds: float, rate: int = 24_000) -> bytes:
    return bytes(2 * int(seconds * rate))


async def send(socket: Socket, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def append(socket: Socket, sound: bytes) -> None:
    for at in range(0, len(sound), 4800):
        piece = base64.b64encode(sound[at : at + 4800]).decode()
        await send(socket, "input_audio_buffer.append", audio=piece)


async def configure(socket: Socket, **audio_input: Any) -> dict[str, Any]:
    """The session as it is answered; the first event was read before."""
    session = {"type": "transcription", "audio": {"input": audio_input}}
    await send(socket, "session.update", session=session)
    answer = await socket.receive_json()
    assert answer["type"] == "session.updated", answer
    found: dict[str, Any] = answer["session"]
    return found


async def until(socket: Socket, *kinds: str) -> list[dict[str, Any]]:
    """All events up to the first of these."""
    events = [await socket.receive_json()]
    while events[-1]["type"] not in kinds:
        events.append(await socket.receive_json())
    return events


async def error_after(socket: Socket, message: str | bytes) -> Mapping[str, Any]:
    await socket.send(message)
    answer = await socket.receive_json()
    assert answer["type"] == "error", answer
    found: Mapping[str, Any] = answer["error"]
    return found


async def test_the_first_event_is_the_session(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        event = await socket.receive_json()
    assert event["type"] == "session.created"
    assert event["event_id"].startswith("event_")
    session = event["session"]
    assert session["id"].startswith("sess_")
    assert (session["type"], session["object"]) == ("transcription", "realtime.transcription_session")
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        "transcription": {"model": None, "language": None, "prompt": None},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
        "noise_reduction": None,
    }


async def test_speech_is_told_while_it_lasts_and_completed_after_a_pause(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await append(socket, silence(1) + noise(1))
        events = await until(socket, "input_audio_buffer.speech_started")
        await append(socket, noise(1))
        events += await until(socket, DELTA)
        await append(socket, silence(1.5))
        events += await until(socket, *ENDS)

    kinds = [event["type"] for event in events]
    assert kinds[0] == "input_audio_buffer.speech_started"
    assert kinds[-1] == COMPLETED
    ending = ["input_audio_buffer.speech_stopped", "input_audio_buffer.committed"]
    first = kinds.index(ending[0])
    assert kinds[first : first + 2] == ending
    assert DELTA in kinds[:first]
    assert len({event["event_id"] for event in events}) == len(events)
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1

    started, stopped, completed = events[0], events[first], events[-1]
    assert 600 <= started["audio_start_ms"] <= 800
    assert 2950 <= stopped["audio_end_ms"] <= 3050
    assert completed["transcript"] == SAID
    assert completed["transcript"] == "".join(event["delta"] for event in events if event["type"] == DELTA)
    assert {event["content_index"] for event in events if event["type"] in (DELTA, COMPLETED)} == {0}
    assert completed["usage"]["type"] == "duration"
    assert 2.1 <= completed["usage"]["seconds"] <= 2.5


async def test_the_items_of_two_turns_follow_each_other(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        events = []
        for _ in range(2):
            await append(socket, silence(0.5) + noise(1) + silence(1))
            events += await until(socket, COMPLETED)
    first, second = [event for event in events if event["type"] == "input_audio_buffer.committed"]
    assert first["previous_item_id"] is None
    assert second["previous_item_id"] == first["item_id"] != second["item_id"]
    added = [event for event in events if event["type"] == "conversation.item.added"]
    assert [event["item"]["id"] for event in added] == [first["item_id"], second["item_id"]]
    assert added[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]


async def test_without_turn_detection_only_a_commit_ends_a_turn(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        session = await configure(socket, turn_detection=None)
        assert session["audio"]["input"]["turn_detection"] is None
        await append(socket, noise(1) + silence(2) + noise(1))
        await send(socket, "input_audio_buffer.commit")
        events = await until(socket, *ENDS)
    kinds = {event["type"] for event in events}
    assert "input_audio_buffer.committed" in kinds
    assert "input_audio_buffer.speech_started" not in kinds
    assert events[-1]["type"] == COMPLETED
    assert events[-1]["usage"] == {"type": "duration", "seconds": 4.0}
    assert events[-1]["transcript"] == "".join(e["delta"] for e in events if e["type"] == DELTA)


async def test_a_commit_ends_a_turn_before_its_pause(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await append(socket, noise(1))
        await send(socket, "input_audio_buffer.commit")
        assert (await until(socket, *ENDS))[-1]["transcript"] == SAID


async def test_what_is_cleared_is_not_transcribed(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await configure(socket, turn_detection=None)
        await append(socket, noise(0.4))
        await send(socket, "input_audio_buffer.clear")
        await until(socket, "input_audio_buffer.cleared")
        await send(socket, "input_audio_buffer.commit")
        assert (await until(socket, *ENDS))[-1]["error"]["code"] == "input_audio_buffer_commit_empty"


async def test_an_update_changes_what_it_names_and_nothing_else(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await configure(
            socket,
            transcription={"model": "whisper-1", "language": "en", "prompt": "Elinor"},
            turn_detection={"type": "server_vad", "silence_duration_ms": 800},
        )
        session = await configure(
            socket, transcription={"language": "de"}, noise_reduction={"type": "near_field"}
        )
    found = session["audio"]["input"]
    assert found["transcription"] == {"model": "whisper-1", "language": "de", "prompt": "Elinor"}
    assert found["turn_detection"]["silence_duration_ms"] == 800
    assert found["noise_reduction"] == {"type": "near_field"}


async def test_the_flat_shape_of_sessions_is_understood_and_answered(app: FastAPI) -> None:
    session = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "gpt-4o-transcribe", "language": "en", "prompt": ""},
        "turn_detection": {"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 700},
        "input_audio_noise_reduction": None,
        "include": ["item.input_audio_transcription.logprobs"],
    }
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await send(socket, "transcription_session.update", session=session)
        event = await socket.receive_json()
        await append(socket, noise(1))
        await send(socket, "input_audio_buffer.commit")
        assert (await until(socket, *ENDS))[-1]["transcript"] == SAID
    assert event["type"] == "transcription_session.updated"
    assert event["session"]["input_audio_transcription"]["model"] == "gpt-4o-transcribe"
    assert event["session"]["turn_detection"]["threshold"] == 0.6
    assert event["session"]["input_audio_format"] == "pcm16"


async def test_telephone_sound_is_understood(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        session = await configure(socket, format={"type": "audio/pcmu"}, turn_detection=None)
        assert session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        await append(socket, bytes([0x0F, 0x8F]) * 4000)
        await send(socket, "input_audio_buffer.commit")
        completed = (await until(socket, *ENDS))[-1]
    assert completed["transcript"] == SAID
    assert completed["usage"]["seconds"] == 1.0


async def test_a_longer_silence_is_waited_for_when_asked(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await configure(socket, turn_detection={"type": "server_vad", "silence_duration_ms": 2000})
        await append(socket, silence(0.5) + noise(1) + silence(1) + noise(1) + silence(2.5))
        events = await until(socket, *ENDS)
    stopped = next(event for event in events if event["type"] == "input_audio_buffer.speech_stopped")
    assert 3450 <= stopped["audio_end_ms"] <= 3550


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        ("{", "invalid_json", "not valid JSON"),
        ("[1]", "invalid_json", "JSON object"),
        (b"\x00\x01", "invalid_json", "text message"),
        ("[" * 100_000, "invalid_json", "not valid JSON"),
        ('{"type": "response.create"}', "unknown_event", "'response.create'"),
        ("{}", "unknown_event", "takes session.update"),
        ('{"type": "input_audio_buffer.append"}', "bad_input", "base64"),
        ('{"type": "input_audio_buffer.append", "audio": "%%%"}', "bad_input", "base64"),
        ('{"type": "input_audio_buffer.append", "audio": "AAAA"}', "bad_input", "even number"),
        ('{"type": "input_audio_buffer.commit"}', "input_audio_buffer_commit_empty", "100 ms"),
        ('{"type": "session.update"}', "bad_input", "session"),
        ('{"type": "session.update", "session": {"type": "realtime"}}', "bad_input", "'transcription'"),
        (
            '{"type": "session.update", "session": {"turn_detection": {"threshold": 2}}}',
            "invalid_request",
            "turn_detection.threshold",
        ),
        (
            '{"type": "session.update", "session": {"input_audio_transcription": {"model": "no-such"}}}',
            "model_not_found",
            "no-such",
        ),
        (
            '{"type": "session.update", "session": {"input_audio_transcription": {"language": "ja"}}}',
            "unknown_language",
            "'ja'",
        ),
    ],
)
async def test_what_is_wrong_is_told_and_the_session_goes_on(
    app: FastAPI, message: str | bytes, code: str, says: str
) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        error = await error_after(socket, message)
        assert (error["code"], error["event_id"]) == (code, None)
        assert says in error["message"]
        await append(socket, noise(1))
        await send(socket, "input_audio_buffer.commit")
        assert (await until(socket, *ENDS))[-1]["transcript"] == SAID


async def test_an_error_names_the_event_that_caused_it(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        error = await error_after(socket, '{"type": "conversation.item.create", "event_id": "mine"}')
    assert (error["event_id"], error["type"]) == ("mine", "invalid_request_error")


async def test_a_message_that_is_too_large_ends_the_session(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        error = await error_after(socket, '{"audio": "' + "A" * (21 * 1024 * 1024) + '"}')
        assert error["code"] == "too_large"
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
    assert closed.value.code == 1009


@pytest.mark.parametrize("script", [{"texts": ["Hello."], "fails_after": 0}])
async def test_a_turn_that_cannot_be_heard_fails_alone(app: FastAPI) -> None:
    async with websocket(app, URL) as socket:
        await socket.receive_json()
        await append(socket, noise(1))
        await send(socket, "input_audio_buffer.commit")
        failed = (await until(socket, *ENDS))[-1]
        await send(socket, "input_audio_buffer.clear")
        await until(socket, "input_audio_buffer.cleared")
    assert failed["type"] == FAILED
    assert failed["error"]["type"] == "server_error"
    assert failed["item_id"].startswith("item_")


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
@pytest.mark.parametrize("place", ["header", "query", "subprotocol"])
async def test_a_token_is_taken_in_three_places(app: FastAPI, sign_up: SignUp, place: str) -> None:
    bearer = await sign_up("elinor")
    token = bearer["Authorization"].removeprefix("Bearer ")
    url = f"{URL}&token={token}" if place == "query" else URL
    offered = {"Sec-WebSocket-Protocol": f"realtime, openai-insecure-api-key.{token}"}
    headers = {"header": bearer, "query": {}, "subprotocol": offered}[place]
    async with websocket(app, url, headers=headers) as socket:
        assert (await socket.receive_json())["type"] == "session.created"
        assert socket.subprotocol == ("realtime" if place == "subprotocol" else None)


@pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
@pytest.mark.parametrize(
    ("url", "headers"),
    [
        (URL, {}),
        (f"{URL}&token=wrong", {}),
        (URL, {"Authorization": "Bearer wrong"}),
        (URL, {"Sec-WebSocket-Protocol": "realtime, openai-insecure-api-key.wrong"}),
    ],
)
async def test_without_a_good_token_nobody_is_let_in(app: FastAPI, url: str, headers: Headers) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, url, headers=headers):
            pass
    assert refused.value.status == 401
    assert json.loads(refused.value.body)["error"]["type"] == "authentication_error"


async def test_a_model_that_is_not_served_is_refused_at_the_door(app: FastAPI) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, f"{URL}&model=no-such"):
            pass
    assert refused.value.status == 404


async def test_a_model_for_conversations_does_not_keep_anybody_out(app: FastAPI) -> None:
    async with websocket(app, "/v1/realtime?model=gpt-realtime") as socket:
        assert (await socket.receive_json())["session"]["type"] == "transcription"
