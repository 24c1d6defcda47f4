"""A process that runs a model: started behind its sandbox, listened to, and ended with all it has started."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from stentor_common.errors import Unavailable
from stentor_deploy.errors import ModelLost
from stentor_deploy.runner import frames
from stentor_deploy.runner.sandbox import Plan
from stentor_deploy.running import Isolation
from stentor_deploy.running.connection import Connection, open_socket
from stentor_deploy.running.output import Output
from stentor_deploy.running.replica import read_isolation
from stentor_deploy.running.sandbox import SOCKET, launcher

LAUNCH_SECONDS: Final = 60.0
Said = TypeVar("Said")


class Process(Protocol):
    """What a child is to whoever started it."""

    pid: int

    async def wait(self) -> int:
        """Its exit status; negative for the signal that ended it."""

    def kill(self) -> None:
        """Ends it and all it has started."""

    def forget(self) -> None:
        """Everything of it has ended; its number may be used again."""


class Child:
    """A process with its connection and its output."""

    def __init__(self, process: Process, connection: Connection, output: Output) -> None:
        self.process, self.connection, self.output = process, connection, output
        self.why = ""
        """Why it was ended, where it was ended from here; else, once it ended, how."""
        self._followers: list[asyncio.Task[None]] = []
        self._transports: list[asyncio.BaseTransport] = []
        self.ended = asyncio.ensure_future(self._see_it_end())

    async def follow(self, file: io.FileIO, name: str) -> None:
        """Listens to one of its streams."""
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            partial(asyncio.StreamReaderProtocol, stream), file
        )
        self._transports.append(transport)
        self._followers.append(asyncio.ensure_future(self.output.follow(stream, name)))

    async def end(self, why: str) -> None:
        """Ends it and all it has started, now."""
        self.why = self.why or why
        self.kill()
        await asyncio.shield(self.ended)

    async def reason(self) -> str:
        """Why it ended; waits until it has."""
        await asyncio.shield(self.ended)
        return self.why

    def kill(self) -> None:
        if not self.ended.done():
            self.process.kill()

    async def _see_it_end(self) -> None:
        """However it ends, nothing of it stays."""
        status = asyncio.ensure_future(self.process.wait())
        either: list[asyncio.Future[Any]] = [status, self.connection.ended]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not status.done():
            # A runner without its connection has nothing to do; most end by themselves at this moment.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await asyncio.shield(status)
        self.process.kill()
        code = await status
        self.process.forget()
        self.why = self.why or _how(code, self.connection)
        self.connection.close(self.why)
        await self.connection.ended
        if self._followers:
            # Something that got away from the group may hold the pipes; its words are not waited for.
            _, left = await asyncio.wait(self._followers, timeout=0.5)
            for each in left:
                each.cancel()
        for transport in self._transports:
            transport.close()


def _how(code: int, connection: Connection) -> str:
    if not connection.open and "protocol" in connection.ended.result():
        return connection.ended.result()
    if code < 0:
        hint = "; the system may have run out of memory" if -code == signal.SIGKILL else ""
        return f"its process was ended by a signal: {signal.strsignal(-code) or -code}{hint}"
    return f"its process ended with status {code}"


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Started:
    """A process that this one has started."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process, self.pid = process, process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def kill(self) -> None:
        kill_group(self.pid)

    def forget(self) -> None:
        """The system keeps nothing of it."""


class Told:
    """Frames of a process that answer no call: what it says of itself, once each; `exited` takes those of a
    standby."""

    def __init__(self, exited: Callable[[bytes], None] | None = None) -> None:
        self._exited = exited
        self.again()

    def again(self) -> None:
        """For another process."""
        loop = asyncio.get_running_loop()
        self.confined: asyncio.Future[Isolation] = loop.create_future()
        self.loading: asyncio.Future[tuple[int, bytes]] = loop.create_future()

    def __call__(self, kind: int, body: bytes) -> None:
        """Raises ValueError for what it may not say."""
        if kind == frames.CONFINED and not self.confined.done():
            self.confined.set_result(read_isolation(body))
        elif kind in (frames.LOADED, frames.NOT_LOADED) and not self.loading.done():
            self.loading.set_result((kind, body))
        elif kind == frames.EXITED and self._exited:
            self._exited(body)
        else:
            raise ValueError(f"a frame of kind {kind} that nobody asked for")


class Ends:
    """Both ends of what connects a process to this one: a socket and two streams."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        pairs = [os.pipe(), os.pipe()]
        self._read = [io.FileIO(pair[0], "rb") for pair in pairs]
        self._write = [io.FileIO(pair[1], "wb") for pair in pairs]

    @property
    def given(self) -> list[int]:
        """What the process is handed down: its end of the socket, stdout, stderr."""
        return [self._theirs.fileno(), *(each.fileno() for each in self._write)]

    def close(self) -> None:
        """What has not become a child's."""
        self.close_given()
        self._ours.close()
        for each in self._read:
            each.close()

    def close_given(self) -> None:
        self._theirs.close()
        for each in self._write:
            each.close()

    async def child(self, process: Process, output: Output, told: Told, most_bytes: int) -> Child:
        self.close_given()
        self._ours.setblocking(False)
        connection = await open_socket(self._ours, most_bytes=most_bytes, told=told)
        child = Child(process, connection, output)
        try:
            for file, name in zip(self._read, ("stdout", "stderr"), strict=True):
                await child.follow(file, name)
        except BaseException:
            await child.end("it is not wanted any more")
            raise
        return child


async def launch(
    plan: Plan, output: Output, told: Told, *, most_bytes: int, hand_down: Sequence[int] = ()
) -> Child:
    """Starts the plan's command behind its sandbox. SOCKET stands in the command for the connected socket
    that it is given; descriptors to `hand_down` keep their numbers. Raises Unavailable where a layer is
    required and missing, or it does not start."""
    ends = Ends()
    try:
        process = Started(await _spawn(plan, ends.given, hand_down))
        try:
            child = await ends.child(process, output, told, most_bytes)
        except BaseException:
            process.kill()
            await process.wait()
            raise
    except BaseException:
        ends.close()
        raise
    await confined(child, told, required=plan.required)
    return child


async def _spawn(plan: Plan, given: list[int], hand_down: Sequence[int]) -> asyncio.subprocess.Process:
    end, out, err = given
    read_end, write_end = os.pipe()
    with io.FileIO(read_end, "rb"):
        command = [str(end) if each == str(SOCKET) else each for each in plan.command]
        with io.FileIO(write_end, "wb") as file:
            file.write(json.dumps(plan._replace(command=command)._asdict()).encode())
        return await asyncio.create_subprocess_exec(
            *launcher(read_end, end),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=(read_end, end, *hand_down),
            start_new_session=True,
            cwd="/",
            env={},
        )


async def confined(child: Child, told: Told, *, required: bool) -> None:
    try:
        isolation = await first_of(told.confined, child, LAUNCH_SECONDS)
    except (TimeoutError, ModelLost) as error:
        await child.end("it did not start")
        words = "; ".join(list(child.output.last)[-3:])
        raise Unavailable(f"the process for the model could not be started: {child.why}: {words}") from error
    except asyncio.CancelledError:
        await child.end("it is not wanted any more")
        raise
    if required and isolation.missing:
        await child.end("a required layer is missing")
        layers = "; ".join(f"{layer}: {reason}" for layer, reason in isolation.missing.items())
        raise Unavailable(
            f"isolation is required, and this system lacks a part of it ({layers}); "
            "see the setting STENTOR_DEPLOY_ISOLATION"
        )


async def first_of(told: asyncio.Future[Said], child: Child, seconds: float) -> Said:
    """What it tells of itself. Raises TimeoutError, and ModelLost when it ends first."""
    either: list[asyncio.Future[Any]] = [told, child.ended]
    await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        return told.result()
    if child.ended.done():
        raise ModelLost(child.why)
    raise TimeoutError
