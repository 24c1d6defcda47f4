"""Large messages on WebSockets, through a real server on this machine."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from stentor_common.runtime import Runtime
from stentor_common.serve import serve
from stentor_common.sockets import UNCOUNTED_BYTES, SocketMemory

MIB = 1024 * 1024


@pytest.fixture
def changed_settings() -> dict[str, Any]:
    return {"port": 0, "max_socket_message_bytes": 4 * MIB, "socket_memory_bytes": 5 * MIB}


@pytest.fixture
async def url(runtime: Runtime) -> AsyncIterator[str]:
    """A server that says how long each message was."""
    app = FastAPI()

    @app.websocket("/count")
    async def count(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_bytes():
            await socket.send_text(str(len(message)))

    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(runtime, app, ready=ready.set_result))
    yield (await ready).replace("http", "ws") + "/count"
    runtime.stopping.set()
    await serving


async def counted(socket: ClientConnection, message: bytes) -> str:
    await socket.send(message)
    return str(await socket.recv())


def refused(answer: asyncio.Task[Any]) -> int:
    """The code with which the server has ended the connection."""
    error = answer.exception()
    assert isinstance(error, ConnectionClosed)
    assert error.rcvd
    return error.rcvd.code


async def test_a_message_up_to_the_limit_is_taken_whole(url: str) -> None:
    async with connect(url) as socket:
        assert await counted(socket, bytes(4 * MIB)) == str(4 * MIB)
        assert await counted(socket, b"more") == "4"


async def test_a_larger_one_is_refused_as_soon_as_its_size_is_known(url: str) -> None:
    async with connect(url) as socket:
        socket.transport.write(frame_head(4 * MIB + 1))
        answer = asyncio.create_task(socket.recv())
        await asyncio.wait([answer])
        assert refused(answer) == 1009


async def test_all_connections_share_the_memory(url: str) -> None:
    async with connect(url) as first, connect(url) as second, connect(url) as third:
        answers = {asyncio.create_task(each.recv()): each for each in (first, second)}
        for each in answers.values():
            each.transport.write(frame_head(4 * MIB) + bytes(3 * MIB))
        ended, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        assert [refused(each) for each in ended] == [1013]
        assert await counted(third, b"small") == "5"

        (other,) = waiting
        answers[other].transport.write(bytes(MIB))
        assert await other == str(4 * MIB)
        assert await counted(third, bytes(4 * MIB)) == str(4 * MIB)


def test_memory_is_free_again_when_a_connection_lets_go() -> None:
    memory = SocketMemory(3 * MIB)
    assert memory.note("a", 2 * MIB)
    assert not memory.note("b", 2 * MIB)
    assert memory.note("b", MIB)
    assert memory.note("a", 0)
    assert memory.note("b", 3 * MIB)


def test_small_messages_do_not_count() -> None:
    memory = SocketMemory(MIB)
    assert memory.note("large", MIB)
    assert memory.note("small", UNCOUNTED_BYTES)


def frame_head(size: int) -> bytes:
    """How a binary message of so many bytes begins (RFC 6455, 5.2), masked with zeros."""
    return b"\x82\xff" + size.to_bytes(8, "big") + bytes(4)
