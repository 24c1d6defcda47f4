"""A client of the DeepSpeech REST API, unchanged: an account, a token, a file by form and by WebSocket."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from stentor_common.jobs.table import Job
from stentor_common.runtime import Runtime
from stentor_common.testing import eventually, sound
from stentor_common.testing_sockets import SocketClosed, SocketRefused, websocket
from stentor_stt.options import Hotword
from stentor_stt.transcriptions import Transcription

Headers = dict[str, str]

HTTP, SOCKET = "/api/v1/stt/http", "/api/v1/stt/ws"
FORREST = {"username": "forrestgump", "email": "fgump@yourdomain.com", "password": "yourpassword"}
AUDIO = [("audio", ("8455-210777-0068.wav", sound(), "audio/wav"))]
SAID = "hello world how are you"
TOKEN_ONLY = pytest.mark.parametrize("changed_settings", [{"anonymous_access": False}])
SLOW = pytest.mark.parametrize("script", [{"texts": ["a"] * 200, "seconds_per_audio_second": 20}])


async def signed_in(client: httpx2.AsyncClient) -> Headers:
    """Forrest's header after he has registered and signed in."""
    assert (await client.post("/users", json=FORREST)).status_code == 200
    answer = await client.post("/token", json={key: FORREST[key] for key in ("username", "password")})
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
def shout(script: dict[str, Any]) -> None:
    script["texts"] = ["Hello, WORLD!", "It's 3.5 — isn't it?"]


@pytest.mark.parametrize("register", ["/users", "/users/", "/api/v1/users/register", "/api/v1/users"])
async def test_registration_answers_with_the_user_and_a_message(
    api: httpx2.AsyncClient, register: str
) -> None:
    answer = await api.post(register, json=FORREST)
    assert answer.status_code == 200
    found = answer.json()
    assert found["message"] == "User forrestgump is successfully created."
    assert {*found} == {"id", "username", "email", "created_at", "modified_at", "message"}
    assert found["created_at"].endswith("Z")


@pytest.mark.parametrize("path", ["/token", "/token/", "/api/v1/token"])
async def test_a_token_is_given_for_the_password_and_says_whose_it_is(
    api: httpx2.AsyncClient, path: str
) -> None:
    await api.post("/users", json=FORREST)
    answer = await api.post(path, json={"username": "forrestgump", "password": "yourpassword"})
    assert (answer.status_code, {*answer.json()}) == (200, {"access_token"})
    assert answer.headers["cache-control"] == "no-store"
    bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await api.get(f"{path.rstrip('/')}/verify", headers=bearer)).json() == {"valid": True}
    me = (await api.get(f"{path.rstrip('/')}/me", headers=bearer)).json()["me"]
    assert (me["username"], me["email"]) == (FORREST["username"], FORREST["email"])


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_a_user_reads_changes_and_removes_the_own_account(api: httpx2.AsyncClient, prefix: str) -> None:
    bearer = await signed_in(api)
    (me,) = (await api.get(f"{prefix}/users/", headers=bearer)).json()
    url = f"{prefix}/users/{me['id']}"
    assert (await api.get(url, headers=bearer)).json() == me

    changed = await api.put(url, json={"username": "bubba", "password": "shrimps2go"}, headers=bearer)
    assert (changed.status_code, changed.json()) == (200, {"message": "User successfully updated."})
    assert (await api.get(url, headers=bearer)).json()["username"] == "bubba"
    signed = await api.post("/token", json={"username": "bubba", "password": "shrimps2go"})
    assert signed.status_code == 200

    removed = await api.delete(url, headers=bearer)
    assert (removed.status_code, removed.json()) == (200, {"message": "User successfully removed."})
    assert (await api.get(url, headers=bearer)).status_code == 401


async def test_others_are_neither_listed_nor_reached(api: httpx2.AsyncClient) -> None:
    bearer = await signed_in(api)
    other = await api.post("/users", json={**FORREST, "username": "jenny", "email": "jenny@example.com"})
    assert [user["username"] for user in (await api.get("/users", headers=bearer)).json()] == ["forrestgump"]
    for method in ("GET", "PUT", "DELETE"):
        answer = await api.request(method, f"/users/{other.json()['id']}", json={}, headers=bearer)
        assert answer.status_code == 401
        assert answer.json()["reasons"] == ["Unauthorized access."]


@pytest.mark.parametrize("path", ["/users", "/token/me", "/token/verify", "/users/1"])
async def test_without_a_token_accounts_are_401_in_both_ways_of_telling(
    api: httpx2.AsyncClient, path: str
) -> None:
    answer = await api.get(path)
    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Authorization header not present.",
        "reasons": ["Authorization header not present."],
        "exception": "Unauthorized",
        "status": 401,
        "error": "unauthorized access",
    }


@pytest.mark.parametrize(
    ("changed", "entry", "rule", "constraint"),
    [
        ({"username": "fo"}, "username", "minlength", 3),
        ({"username": "f" * 128}, "username", "maxlength", 127),
        ({"username": "a@b.c"}, "username", "regex", "visible characters without @"),
        ({"username": None}, "username", "required", True),
        ({"email": "nobody"}, "email", "regex", "an email address"),
        ({"password": "short"}, "password", "minlength", 8),
        ({"password": 12345678}, "password", "type", "string"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named_with_the_rule(
    api: httpx2.AsyncClient, changed: dict[str, Any], entry: str, rule: str, constraint: object
) -> None:
    answer = await api.post("/users", json={**FORREST, **changed})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "type": "validation_failed",
        "message": "Validation failed.",
        "invalid": [
            {"entry_type": "json_data_property", "entry": entry, "rule": rule, "constraint": constraint}
        ],
    }
    assert answer.json()["message"].startswith(f"{entry}: ")


@pytest.mark.parametrize(
    ("taken", "said"),
    [
        ({"email": "other@example.com"}, "Please use a different username."),
        ({"username": "other"}, "Please use a different email address."),
    ],
)
async def test_what_is_taken_is_400(api: httpx2.AsyncClient, taken: dict[str, str], said: str) -> None:
    await api.post("/users", json=FORREST)
    answer = await api.post("/users", json={**FORREST, **taken})
    assert (answer.status_code, answer.json()["message"]) == (400, said)


@pytest.mark.parametrize(
    ("sent", "reasons"),
    [
        ({"username": "forrestgump"}, ["Missing username or password."]),
        ({"username": "forrestgump", "password": ""}, ["Missing username or password."]),
        ({"username": "forrestgump", "password": "wrong"}, ["User not found.", "Password is incorrect."]),
        ({"username": "nobody", "password": "wrong"}, ["User not found.", "Password is incorrect."]),
    ],
)
async def test_a_refused_sign_in_has_reasons_that_tell_nobody_who_is_here(
    api: httpx2.AsyncClient, sent: dict[str, str], reasons: list[str]
) -> None:
    await api.post("/users", json=FORREST)
    answer = await api.post("/token", json=sent)
    assert answer.status_code == 401
    assert answer.json() == {"reasons": reasons, "exception": "AuthenticationFailed"}


@pytest.mark.parametrize(
    "sent", [{"data": FORREST}, {"content": b"{", "headers": {"content-type": "application/json"}}]
)
async def test_a_body_that_is_not_json_is_415(api: httpx2.AsyncClient, sent: dict[str, Any]) -> None:
    answer = await api.post("/users", **sent)
    assert answer.status_code == 415
    assert answer.json()["error"]["message"] == "Expected JSON body."


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [("GET", "/api/v1/nothing", 404, "not found"), ("PATCH", "/users", 405, "method not supported")],
)
async def test_paths_and_methods_that_are_not_there_are_told_in_the_same_words(
    api: httpx2.AsyncClient, method: str, path: str, status: int, name: str
) -> None:
    answer = await api.request(method, path)
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (status, status, name)


async def test_there_is_a_page_that_says_hello(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/api/v1/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "/api/v1/stt/ws" in answer.text


@pytest.mark.usefixtures("shout")
async def test_a_form_with_hot_words_is_answered_with_plain_text_and_seconds(
    client: httpx2.AsyncClient,
) -> None:
    hot_words = {"paris": -1000, "power": 1000, "parents": -1000}
    answer = await client.post(HTTP, data=hot_words, files=AUDIO, headers=await signed_in(client))
    assert answer.status_code == 200
    found = answer.json()
    assert {*found} == {"message", "time"}
    assert found["message"] == "hello world it's 3.5 isn't it"
    assert isinstance(found["time"], float)
    assert found["time"] >= 0


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "Audio not provided"),
        ({"data": {"power": "1000"}}, "Audio not provided"),
        ({"files": [("power", (None, "1000"))]}, "Audio not provided"),
        ({"files": AUDIO, "data": {"power": "much"}}, "'power'"),
        ({"files": AUDIO, "data": {"power": "nan"}}, "'power'"),
        ({"files": AUDIO, "data": {"power": "1001"}}, "'power'"),
        ({"files": AUDIO, "data": {"x" * 101: "1"}}, "100 characters"),
        ({"files": [("audio", ("a.wav", b"no sound"))]}, ""),
    ],
)
async def test_what_is_wrong_with_a_form_is_told_with_no_time(
    client: httpx2.AsyncClient, sent: dict[str, Any], said: str
) -> None:
    answer = await client.post(HTTP, **sent)
    assert answer.status_code == 400
    found = answer.json()
    assert (found["time"], found["status"], found["error"]) == (None, 400, "bad request")
    assert found["message"] == found["exception"]
    assert said in found["message"]


@TOKEN_ONLY
async def test_where_nobody_is_anonymous_a_form_needs_a_token(client: httpx2.AsyncClient) -> None:
    refused = await client.post(HTTP, files=AUDIO)
    assert (refused.status_code, refused.json()["exception"]) == (401, "Unauthorized")
    allowed = await client.post(HTTP, files=AUDIO, headers=await signed_in(client))
    assert allowed.json()["message"] == SAID


async def test_a_file_on_a_socket_is_answered_once_and_the_connection_ends(
    app: FastAPI, client: httpx2.AsyncClient
) -> None:
    async with websocket(app, SOCKET) as socket:
        await socket.send(sound())
        found = await socket.receive_json()
        assert (found["message"], {*found}) == (SAID, {"message", "time"})
        assert found["time"] >= 0
        with pytest.raises(SocketClosed) as closed:
            await socket.receive()
        assert closed.value.code == 1000


@pytest.mark.usefixtures("client")
async def test_hot_words_may_come_before_the_file(app: FastAPI) -> None:
    async with websocket(app, SOCKET) as socket:
        await socket.send(json.dumps({"power": 1000, "paris": -1000}))
        await socket.send(sound())
        assert (await socket.receive_json())["message"] == SAID


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([b""], "Audio not provided"),
        (["power"], "JSON object"),
        (["[1]"], "JSON object"),
        (['{"power": "' + "0" * 65536 + '"}'], "65536 characters"),
        ([json.dumps(dict.fromkeys(map(str, range(201)), 1))], "at most 200 hot-words"),
        (['{"power": "much"}', sound()], "'power'"),
        ([b"no sound"], ""),
    ],
)
@pytest.mark.usefixtures("client")
async def test_what_is_wrong_on_a_socket_is_told_with_no_time(
    app: FastAPI, messages: list[str | bytes], said: str
) -> None:
    async with websocket(app, SOCKET) as socket:
        for message in messages:
            await socket.send(message)
        found = await socket.receive_json()
        assert (found["time"], {*found}) == (None, {"message", "time"})
        assert said in found["message"] != ""
        with pytest.raises(SocketClosed):
            await socket.receive()


@TOKEN_ONLY
@pytest.mark.parametrize("place", ["header", "query", "message"])
async def test_a_socket_takes_the_token_in_three_places(
    app: FastAPI, client: httpx2.AsyncClient, place: str
) -> None:
    bearer = await signed_in(client)
    token = bearer["Authorization"].removeprefix("Bearer ")
    url = f"{SOCKET}?token={token}" if place == "query" else SOCKET
    async with websocket(app, url, headers=bearer if place == "header" else None) as socket:
        if place == "message":
            await socket.send(json.dumps({"token": token, "power": 1}))
        await socket.send(sound())
        assert (await socket.receive_json())["message"] == SAID


@TOKEN_ONLY
@pytest.mark.usefixtures("client")
async def test_where_nobody_is_anonymous_a_socket_needs_a_token(app: FastAPI) -> None:
    async with websocket(app, SOCKET) as socket:
        await socket.send(sound())
        found = await socket.receive_json()
        assert found["time"] is None
        assert "token" in found["message"]


async def test_a_request_takes_no_token_from_its_address(api: httpx2.AsyncClient) -> None:
    token = (await signed_in(api))["Authorization"].removeprefix("Bearer ")
    assert (await api.get("/token/verify", params={"token": token})).status_code == 401


async def test_a_bad_token_is_refused_before_the_connection_is_made(app: FastAPI) -> None:
    with pytest.raises(SocketRefused) as refused:
        async with websocket(app, f"{SOCKET}?token=wrong"):
            pass
    assert refused.value.status == 401
    assert json.loads(refused.value.body)["exception"] == "Unauthorized"


@pytest.mark.parametrize("changed_settings", [{"anonymous_jobs_per_minute": 1}])
@pytest.mark.usefixtures("client")
async def test_sockets_are_throttled_like_requests(app: FastAPI) -> None:
    answers = []
    for _ in range(2):
        async with websocket(app, SOCKET) as socket:
            await socket.send(sound())
            answers.append(await socket.receive_json())
    assert answers[0]["message"] == SAID
    assert answers[1]["time"] is None
    assert "at most 1 new jobs" in answers[1]["message"]


@SLOW
async def test_when_a_socket_goes_its_job_is_stopped(app: FastAPI, client: httpx2.AsyncClient) -> None:
    bearer = await signed_in(client)

    async def states(state: str) -> list[Any]:
        answer = await client.get("/v1/transcriptions", params={"status": state}, headers=bearer)
        found: list[Any] = answer.json()["data"]
        return found

    async with websocket(app, SOCKET, headers=bearer) as socket:
        await socket.send(sound())
        await eventually(lambda: states("running"))
    await eventually(lambda: states("cancelled"))


@pytest.mark.usefixtures("client")
async def test_hot_words_are_of_their_request_alone(
    app: FastAPI, client: httpx2.AsyncClient, runtime: Runtime
) -> None:
    await client.post(HTTP, data={"Power": "12.5", "paris": -1000}, files=AUDIO)
    async with websocket(app, SOCKET) as socket:
        await socket.send(json.dumps({"Elinor": 7}))
        await socket.send(sound())
        await socket.receive_json()
    await client.post(HTTP, files=AUDIO)
    async with runtime.db.reading() as session:
        jobs = await session.scalars(select(Job))
        heard = [Transcription.of(job.request).options.hotwords for job in jobs]
    assert sorted(heard, key=len) == [
        (),
        (Hotword("Elinor", 7),),
        (Hotword("Power", 12.5), Hotword("paris", -1000)),
    ]
