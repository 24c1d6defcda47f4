"""The runner as a program: one model, and whoever may call it."""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import os
import pathlib
import signal
import socket
import struct
import sys
import threading
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from stentor_deploy.runner import calls, frames, lines
from stentor_deploy.runner import model as models
from stentor_deploy.runner.pipeline import Loop, Pipeline

DRAIN_SECONDS = 600


class Start(NamedTuple):
    """What to run: the body of START, or files given on the command line."""

    package: str
    """Folder, in the layout of Truss."""
    config: dict[str, Any]
    secrets: dict[str, str]
    concurrency: int = 1
    answer_bytes: int = 64 * 1024 * 1024
    known: bool = False
    """Modules and versions need not be told again."""


class Connection:
    """A server that calls."""

    def __init__(self, end: socket.socket, lost: Callable[[], None] = lambda: None) -> None:
        """`lost` hears when something could not be sent."""
        self._socket, self._lock, self._lost = end, threading.Lock(), lost
        self._file = end.makefile("rb", buffering=1 << 16)

    def send(self, kind: int, call: int, body: bytes = b"") -> None:
        try:
            with self._lock:
                self._socket.sendall(frames.frame(kind, call, body))
        except OSError:
            self._lost()

    def receive(self) -> tuple[int, int, bytes] | None:
        """Kind, call and body; None at the end."""
        try:
            header = self._file.read(frames.HEADER.size)
            if header is None or len(header) < frames.HEADER.size:
                return None
            length, call, kind = frames.HEADER.unpack(header)
            if length > frames.LARGEST_INPUT:
                return None
            body = self._file.read(length)
            return (kind, call, body) if len(body) == length else None
        except OSError:
            return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Runner:
    """Loads a model, tells those who are connected, and hands their calls on."""

    def __init__(self, start: Start) -> None:
        self._start, self._loop = start, Loop()
        self._model: Any = None
        self._calls: calls.Calls | None = None
        self._lock = threading.Lock()
        self._told: tuple[int, bytes] | None = None
        self._connections: list[Connection] = []

    @property
    def in_flight(self) -> int:
        return self._calls.in_flight if self._calls else 0

    def load(self) -> bool:
        """Whether it can be called now; all who are connected hear of it."""
        root, started = self._start.package, time.monotonic()
        os.environ.setdefault("PWD", root)
        try:
            os.chdir(root)
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("default")
                self._model = models.open_model(pathlib.Path(root), self._start.config, self._start.secrets)
                models.load(self._model, self._loop.wait_for)
            for each in warned:
                text = warnings.formatwarning(each.message, each.category, each.filename, each.lineno)
                print(text, end="", file=sys.stderr)
            pipeline = Pipeline(self._model, root=root, answer_bytes=self._start.answer_bytes)
            told = models.describe(self._model, started, warned, root=root, known=self._start.known)
        except BaseException as error:  # a model may raise anything
            failure = models.failure(error, root)
            print(failure["details"], end="", file=sys.stderr)
            self._tell(frames.NOT_LOADED, failure)
            return False
        finally:
            lines.end_lines()
        self._calls = calls.Calls(self._model, pipeline, self._loop, self._start.concurrency)
        self._tell(frames.LOADED, told)
        return True

    def work(self) -> None:
        """Runs calls, for good."""
        assert self._calls
        self._calls.work()

    def join(self, connection: Connection) -> None:
        with self._lock:
            self._connections.append(connection)
            if self._told:
                connection.send(self._told[0], 0, self._told[1])

    def listen_to(self, connection: Connection) -> None:
        """Hands on what the connection asks, until it ends."""
        try:
            while True:
                received = connection.receive()
                if received is None:
                    return
                self._take(connection, *received)
        except (ValueError, struct.error):
            return
        finally:
            with self._lock:
                self._connections.remove(connection)
            if self._calls:
                self._calls.drop_all(connection)
            connection.close()

    def _take(self, connection: Connection, kind: int, call: int, body: bytes) -> None:
        if self._calls is None:
            if kind in (frames.ASK, frames.ASK_MANY, frames.STREAM):
                told = {"code": "not_ready", "message": "the model is not loaded", "kind": "", "details": ""}
                connection.send(frames.FAILED, call, json.dumps(told).encode())
        elif kind == frames.ASK_MANY:
            self._calls.ask(calls.Job(connection, call, kind, frames.unpack_many(body)))
        elif kind in (frames.ASK, frames.STREAM):
            self._calls.ask(calls.Job(connection, call, kind, [frames.unpack_call(body)]))
        elif kind == frames.MORE:
            self._calls.more(connection, call, frames.COUNT.unpack(body)[0])
        elif kind == frames.DROP:
            self._calls.drop(connection, call)
        elif kind == frames.PING:

            def answer(healthy: bool) -> None:
                connection.send(frames.PONG, call, json.dumps({"healthy": healthy}).encode())

            calls.answer_ping(self._model, self._loop, answer)

    def _tell(self, kind: int, body: dict[str, Any]) -> None:
        with self._lock:
            self._told = kind, json.dumps(body).encode(errors="replace")
            for connection in self._connections:
                connection.send(kind, 0, self._told[1])


def serve_socket(descriptor: int) -> None:
    """One model for the one server that holds the other end. Ends with it."""
    connection = Connection(socket.socket(fileno=descriptor), end)
    received = connection.receive()
    if received is None or received[0] != frames.START:
        return
    serve_started(connection, received[2])


def serve_started(connection: Connection, start: bytes) -> None:
    lines.take_over()
    runner = Runner(Start(**json.loads(start)))
    runner.join(connection)

    def listen() -> None:
        runner.listen_to(connection)
        end()

    threading.Thread(target=listen, name="reader", daemon=True).start()
    if runner.load():
        runner.work()
    end()


def end() -> None:
    """At once, whatever threads are doing. Whoever started this ends those that it started."""
    os._exit(0)


class Listener:
    """One model for any number of servers that know the token, as in a pod."""

    def __init__(self, runner: Runner, server: socket.socket, token: str) -> None:
        self._runner, self._server, self._token = runner, server, token

    def accept(self) -> None:
        """Until the socket is closed."""
        while True:
            try:
                end, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(end,), name="reader", daemon=True).start()

    def drain(self, *_: object) -> None:
        """Takes no further connection, and ends when all calls have."""
        self._server.close()

        def wait() -> None:
            deadline = time.monotonic() + DRAIN_SECONDS
            while self._runner.in_flight and time.monotonic() < deadline:
                time.sleep(0.05)
            end()

        threading.Thread(target=wait, name="drain").start()

    def _meet(self, end: socket.socket) -> None:
        if end.family != socket.AF_UNIX:
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection = Connection(end)
        if self._token:
            end.settimeout(10)
            received = connection.receive()
            known = received is not None and received[0] == frames.HELLO
            if received is None or not known or not hmac.compare_digest(received[2], self._token.encode()):
                connection.close()
                return
            end.settimeout(None)
        self._runner.join(connection)
        self._runner.listen_to(connection)


def open_server(where: str) -> socket.socket:
    """`tcp:HOST:PORT` or `unix:PATH`."""
    kind, _, rest = where.partition(":")
    if kind == "unix":
        server = socket.socket(socket.AF_UNIX)
        server.bind(rest)
        os.chmod(rest, 0o600)
    else:
        host, _, port = rest.rpartition(":")
        server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host.strip("[]"), int(port)))
    server.listen(128)
    return server


def serve_listening(options: argparse.Namespace) -> None:
    """Listens before it loads, so that whoever connects hears how loading went."""
    lines.take_over()
    if options.ready:
        # A process before this one may have left it.
        with contextlib.suppress(FileNotFoundError):
            pathlib.Path(options.ready).unlink()
    start = Start(
        package=str(pathlib.Path(options.package).resolve()),
        config=_read_json(options.config),
        secrets=_read_json(options.secrets),
        concurrency=options.concurrency,
        answer_bytes=options.answer_bytes,
    )
    token = pathlib.Path(options.token).read_text().strip() if options.token else ""
    runner = Runner(start)
    listener = Listener(runner, open_server(options.listen), token)
    signal.signal(signal.SIGTERM, listener.drain)
    threading.Thread(target=listener.accept, name="accept", daemon=True).start()
    if runner.load():
        if options.ready:
            pathlib.Path(options.ready).touch()
        runner.work()
    # The reason stays to be asked for, until whoever started this has read it.
    threading.Event().wait()


def _read_json(path: str) -> dict[str, Any]:
    found = json.loads(pathlib.Path(path).read_text()) if path else {}
    if not isinstance(found, dict):
        raise SystemExit(f"{path} holds no JSON object")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs a model.")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", type=int, help="descriptor of a connected socket; all else comes over it")
    where.add_argument("--standby", type=int, nargs=2, help="descriptors of sockets that ask for copies")
    where.add_argument("--listen", help="tcp:HOST:PORT or unix:PATH")
    parser.add_argument("--package", help="folder of the package")
    parser.add_argument("--config", default="", help="JSON file with the configuration given to the model")
    parser.add_argument("--secrets", default="", help="JSON file with names and values")
    parser.add_argument("--token", default="", help="file with the token that callers must know")
    parser.add_argument("--ready", default="", help="file that is made when the model is loaded")
    parser.add_argument("--concurrency", type=int, default=1, help="calls of predict at a time")
    parser.add_argument("--answer-bytes", type=int, default=64 * 1024 * 1024, help="largest answer")
    options = parser.parse_args()
    if options.socket is not None:
        serve_socket(options.socket)
    elif options.standby is not None:
        from stentor_deploy.runner.standby import serve_standby

        serve_standby(*options.standby)
    elif not options.package:
        parser.error("--listen needs --package")
    else:
        serve_listening(options)
