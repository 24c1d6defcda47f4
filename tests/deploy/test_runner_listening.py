"""The runner as pods start it: it listens, and any server that knows the token may call."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from stentor_deploy.errors import ModelLost
from stentor_deploy.runner import frames
from stentor_deploy.running import Isolation, Payload
from stentor_deploy.running.connection import Connection, open_tcp, open_unix
from stentor_deploy.running.replica import ConnectedReplica, load_failure, read_loaded
from stentor_deploy.running.sandbox import RUNNER

pytestmark = pytest.mark.live

Package = Callable[[str], Path]
MIB = 1024**2
ECHO = """
class Model:
    def __init__(self, config, secrets):
        self.config, self.secrets = config, secrets

    def predict(self, name):
        return [self.secrets[name], self.config["size"]]
"""
TOKEN = "of the server"


class Pod:
    """A runner in a process of its own, and connections to it."""

    def __init__(self, where: str, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.where, self.process, self.folder = where, process, folder
        self._connections: list[Connection] = []

    async def connect(self, token: str = TOKEN) -> tuple[Connection, "asyncio.Future[tuple[int, bytes]]"]:
        told: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def hear(kind: int, body: bytes) -> None:
            told.set_result((kind, body))

        kind, _, rest = self.where.partition(":")
        async with asyncio.timeout(20):
            while True:
                try:
                    if kind == "unix":
                        connection = await open_unix(Path(rest), most_bytes=MIB, told=hear)
                    else:
                        port = int(rest.rpartition(":")[2])
                        connection = await open_tcp("127.0.0.1", port, token, most_bytes=MIB, told=hear)
                except (ConnectionError, FileNotFoundError):
                    await asyncio.sleep(0.02)
                else:
                    self._connections.append(connection)
                    return connection, told

    async def replica(self) -> ConnectedReplica:
        connection, told = await self.connect()
        kind, body = await told
        assert kind == frames.LOADED

        async def end(reason: str) -> None:
            connection.close(reason)

        return ConnectedReplica("pod-1", read_loaded(body, Isolation((), {})), connection, end)

    async def close(self) -> None:
        for connection in self._connections:
            connection.close()
            await connection.ended
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


@pytest.fixture
async def start(package: Package, tmp_path: Path) -> AsyncIterator[Callable[[str, str], Awaitable[Pod]]]:
    pods: list[Pod] = []

    async def listening(source: str, kind: str = "tcp") -> Pod:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        where = f"tcp:127.0.0.1:{port}" if kind == "tcp" else f"unix:{tmp_path / 'socket'}"
        files = {"config": {"size": 3, "secrets": {"key": None}}, "secrets": {"key": "mine"}}
        for name, content in files.items():
            (tmp_path / name).write_text(json.dumps(content))
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        options = [f"--{name}={tmp_path / name}" for name in ("config", "secrets", "ready")]
        options += [f"--token={tmp_path / 'token'}"] if kind == "tcp" else []
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(RUNNER / "main.py"),
            f"--listen={where}",
            f"--package={package(source)}",
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        pods.append(Pod(where, process, tmp_path))
        return pods[-1]

    yield listening
    for pod in pods:
        await pod.close()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_it_answers_several_servers_at_once(start: Callable[..., Awaitable[Pod]], kind: str) -> None:
    pod = await start(ECHO, kind)
    one, other = await pod.replica(), await pod.replica()
    answers = await asyncio.gather(*(each.predict(Payload(b'"key"'), seconds=10) for each in (one, other)))
    assert [answer.body for answer in answers] == [b'["mine",3]'] * 2
    assert (pod.folder / "ready").exists()
    assert await one.healthy()


async def test_a_wrong_token_closes_the_connection(start: Callable[..., Awaitable[Pod]]) -> None:
    pod = await start(ECHO)
    await pod.replica()
    connection, told = await pod.connect("guessed")
    async with asyncio.timeout(10):
        assert await connection.reason() == "the other end closed it"
    assert not told.done()


async def test_a_model_that_does_not_load_says_why_to_all_who_ask(
    start: Callable[..., Awaitable[Pod]],
) -> None:
    pod = await start("raise OSError('no weights')")
    for _ in range(2):
        _, told = await pod.connect()
        kind, body = await told
        assert kind == frames.NOT_LOADED
        assert "OSError: no weights" in load_failure(body).message
    assert not (pod.folder / "ready").exists()


async def test_when_it_is_asked_to_end_it_finishes_its_calls_first(
    start: Callable[..., Awaitable[Pod]],
) -> None:
    pod = await start(
        "import time\nclass Model:\n    def predict(self, s):\n        print('begun', flush=True)\n"
        "        time.sleep(s)\n        return s"
    )
    replica = await pod.replica()
    call = asyncio.ensure_future(replica.predict(Payload(b"0.3"), seconds=10))
    assert pod.process.stdout
    assert await pod.process.stdout.readline() == b"begun\n"
    pod.process.send_signal(signal.SIGTERM)
    assert (await call).body == b"0.3"
    assert await pod.process.wait() == 0
    with pytest.raises(ModelLost, match="the other end closed it"):
        await replica.predict(Payload(b"0"), seconds=10)
