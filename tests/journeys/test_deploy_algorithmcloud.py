"""A client of Algorithm Cloud, unchanged, with deployed models: the content type says what goes in and what
comes out."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from stentor_common.service import Service
from stentor_common.testing_receiver import LOOPBACK
from stentor_deploy.running import Payload, PayloadKind
from stentor_deploy.settings import DeploySettings
from stentor_deploy.states import RevisionState

PATH = "/algorithms/echo"
BARE = {"application/json", "text/plain", "application/octet-stream", "image/jpg", "image/png"}
"""The only types that the published client takes, to the letter."""

SignUp = Callable[[str], Awaitable[dict[str, str]]]


@pytest.fixture
def services(model_services: list[Service]) -> list[Service]:
    return model_services


@dataclass
class Files:
    """A web server on this machine whose every path is the same file."""

    url: str = ""
    asked: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nRIFF")
        await writer.drain()
        writer.close()


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    found = Files()
    async with await asyncio.start_server(found.answer, "127.0.0.1", 0) as server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


def echo(asked: Any) -> Any:
    return asked


async def send(
    client: httpx2.AsyncClient, content: bytes, kind: str, path: str = PATH, **headers: str
) -> httpx2.Response:
    answer = await client.post(path, content=content, headers={"content-type": kind, **headers})
    assert answer.headers["content-type"] in BARE
    return answer


async def test_the_model_is_given_what_the_content_type_says(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    seen: list[Any] = []
    await deployed.add("echo", seen.append)
    for kind, content, given in (
        ("application/json", b'{"rows": [[1, 2]]}', {"rows": [[1, 2]]}),
        ("application/json", b"null", None),
        ("application/json", b"3.5", 3.5),
        ("application/json; charset=utf-8", b"[1]", [1]),
        ("text/plain", "grüße".encode(), "grüße"),
        ("application/octet-stream", b"\x00\xff", b"\x00\xff"),
        ("audio/wav", b"RIFF", b"RIFF"),
        ("", b"anything", b"anything"),
    ):
        assert (await send(client, content, kind)).status_code == 200
        assert seen.pop() == given


async def test_the_answer_has_one_of_the_few_types_that_the_client_takes(
    client: httpx2.AsyncClient, deployed: Any
) -> None:
    kinds = (
        ({"a": 1}, "application/json", b'{"a": 1}'),
        ([1, 2], "application/json", b"[1, 2]"),
        (3.5, "application/json", b'{"result": 3.5}'),
        (None, "application/json", b'{"result": null}'),
        ("grüße", "text/plain", "grüße".encode()),
        (Payload(b"plain", PayloadKind.text), "text/plain", b"plain"),
        (b"\x00\xff", "application/octet-stream", b"\x00\xff"),
        (Payload(b"RIFF", PayloadKind.bytes, "audio/wav"), "application/octet-stream", b"RIFF"),
        (Payload(b"JPEG", PayloadKind.bytes, "image/jpeg"), "image/jpg", b"JPEG"),
        (Payload(b"PNG", PayloadKind.bytes, "image/png"), "image/png", b"PNG"),
        (Payload(b"<p>", PayloadKind.bytes, "text/html"), "application/octet-stream", b"<p>"),
    )
    await deployed.add("echo", lambda number: kinds[number][0])
    for number, (_, kind, content) in enumerate(kinds):
        answer = await send(client, str(number).encode(), "application/json")
        assert (answer.headers["content-type"], answer.content) == (kind, content)


async def test_a_file_can_be_saved_under_a_name(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", lambda _: Payload(b"RIFF", PayloadKind.bytes, "audio/x-wav"))
    answer = await send(client, b"RIFF", "application/octet-stream")
    assert answer.headers["content-disposition"] == 'attachment; filename="echo.wav"'


@pytest.mark.parametrize("deploy_settings", [DeploySettings(fetch_allowed=LOOPBACK)])
async def test_the_input_may_be_behind_a_url(client: httpx2.AsyncClient, deployed: Any, files: Files) -> None:
    await deployed.add("echo", echo)
    listed = f"# what to take\r\n{files.url}/sound.wav\r\n"
    answer = await send(client, listed.encode(), "text/uri-list")
    assert (answer.content, files.asked) == (b"RIFF", 1)


async def test_a_url_may_not_lead_inside(client: httpx2.AsyncClient, deployed: Any, files: Files) -> None:
    await deployed.add("echo", echo)
    answer = await send(client, f"{files.url}/sound.wav".encode(), "text/uri-list")
    assert answer.status_code == 400
    assert "Error" in answer.json()
    assert not files.asked


@pytest.mark.parametrize("deploy_settings", [DeploySettings(fetch_allowed=LOOPBACK)])
async def test_nothing_is_fetched_for_somebody_who_may_not_call(
    client: httpx2.AsyncClient, deployed: Any, files: Files
) -> None:
    await deployed.add("echo", echo, owner=uuid.uuid4())
    answer = await send(client, f"{files.url}/sound.wav".encode(), "text/uri-list")
    assert answer.status_code == 404
    assert not files.asked


async def test_what_cannot_be_an_input_is_said(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", echo)
    for kind, content, says in (
        ("application/json", b"{", "not valid JSON"),
        ("text/plain", b"\xff", "not UTF-8"),
        ("text/uri-list", b"", "exactly one URL"),
        ("text/uri-list", b"http://a.example\nhttp://b.example", "holds 2"),
        ("application/x-www-form-urlencoded", b"a=1", "not a form"),
        ("multipart/form-data; boundary=x", b"--x--", "not a form"),
    ):
        answer = await send(client, content, kind)
        assert answer.status_code == 400
        assert says in answer.json()["Error"]


async def test_whatever_goes_wrong_is_told_as_error(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", lambda asked: asked["missing"])
    await deployed.announce("unborn", RevisionState.building)
    for path, status, says in (
        (PATH, 422, "KeyError"),
        ("/algorithms/nobody", 404, "no deployment"),
        ("/algorithms/unborn", 409, "cannot be called yet"),
        (f"{PATH}?timeout=soon", 400, "timeout"),
        (f"{PATH}?timeout=-1", 400, "timeout"),
    ):
        answer = await send(client, b"{}", "application/json", path)
        assert answer.status_code == status
        assert {*answer.json()} == {"Error"}
        assert says in answer.json()["Error"]


async def test_the_caller_says_how_long_to_wait(client: httpx2.AsyncClient, deployed: Any) -> None:
    async def slow(_: Any) -> Any:
        await asyncio.sleep(30)

    await deployed.add("echo", slow)
    answer = await send(client, b"{}", "application/json", f"{PATH}?timeout=0.05")
    assert answer.status_code == 504
    assert "Error" in answer.json()


async def test_the_token_is_sent_as_the_client_does(
    client: httpx2.AsyncClient, deployed: Any, sign_up: SignUp
) -> None:
    ada = await sign_up("ada")
    me = (await client.get("/v1/users/me", headers=ada)).json()["id"]
    await deployed.add("echo", echo, owner=uuid.UUID(me))
    token = ada["Authorization"].removeprefix("Bearer ")
    own = await send(client, b"[1]", "application/json", **{"x-access-token": token})
    assert own.json() == [1]
    wrong = await send(client, b"[1]", "application/json", **{"x-access-token": "wrong"})
    assert wrong.status_code == 401
    assert "Error" in wrong.json()


async def test_an_algorithm_has_a_document_of_its_own(client: httpx2.AsyncClient, deployed: Any) -> None:
    await deployed.add("echo", echo)
    document = (await client.get(f"{PATH}/openapi.json")).json()
    [(path, methods)] = document["paths"].items()
    operation = methods["post"]
    assert document["servers"] == [{"url": "http://stentor"}]
    assert path == PATH
    # The first type is what an editor shows: a button that picks a file.
    sent = operation["requestBody"]["content"]
    assert next(iter(sent)) == "application/octet-stream"
    assert sent["application/octet-stream"]["schema"] == {"type": "string", "format": "binary"}
    assert {*operation["responses"]["200"]["content"]} == BARE
    [scheme] = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "x-access-token")
    assert (await client.get("/algorithms/nobody/openapi.json")).status_code == 404
