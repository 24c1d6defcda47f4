"""Standbys: processes with a model's libraries imported, from which it wakes at once (Linux).

A standby serves one revision. Its copies share its user and its /tmp, and narrow its sandbox to a folder of
their own; two revisions never share more than the files of their environment.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from stentor_common.errors import AppError
from stentor_deploy.runner import frames
from stentor_deploy.runner.sandbox import Plan
from stentor_deploy.running import RunSpec, leftovers
from stentor_deploy.running.child import Child, Ends, Told, confined, kill_group, launch
from stentor_deploy.running.connection import ConnectionLost, read_json
from stentor_deploy.running.output import Output
from stentor_deploy.running.sandbox import Place, plan, standby_command
from stentor_deploy.settings import DeploySettings

IMPORT_SECONDS: Final = 300.0
FORK_SECONDS: Final = 10.0

log = structlog.get_logger(__name__)


def possible(spec: RunSpec) -> bool:
    """An accelerator's libraries do not bear to be copied."""
    return sys.platform == "linux" and not spec.gpus


class Copy:
    """A process that a standby has made; Process of a child."""

    def __init__(self, pid: int, standby: "Standby", scratch: Path) -> None:
        self.pid, self._standby, self._scratch = pid, standby, scratch
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self.status)

    def kill(self) -> None:
        """What a standby says of its copies is not trusted with other processes."""
        if self._standby.child and _parent(self.pid) == self._standby.child.process.pid:
            kill_group(self.pid)
        else:
            leftovers.end_at_home([self._scratch])

    def forget(self) -> None:
        self._standby.forget(self.pid)


class Standby:
    """One process and its copies."""

    def __init__(self, spec: RunSpec, place: Place, settings: DeploySettings) -> None:
        self.spec, self.place, self._settings = spec, place, settings
        self.child: Child | None = None
        self.ready = self.retired = False
        self._copies: dict[int, Copy] = {}
        self._exited_early: dict[int, int] = {}
        self._descriptors: socket.socket | None = None
        self._lock = asyncio.Lock()
        self._numbers = 0

    @property
    def alive(self) -> bool:
        return self.ready and self.child is not None and not self.child.ended.done()

    async def start(self, modules: Sequence[str]) -> None:
        """Raises AppError, ConnectionLost and TimeoutError."""
        self._descriptors, theirs = socket.socketpair()
        with theirs:
            command = standby_command(self.spec, theirs.fileno())
            made = plan(self.spec, self._settings, self.place, command)
            made = made._replace(keep_group=False, read=[*made.read, "/proc"])
            self.child = await launch(
                made,
                Output(lambda *_: None),
                Told(self._exited),
                most_bytes=0,
                hand_down=(theirs.fileno(),),
            )
        async with asyncio.timeout(IMPORT_SECONDS):
            await self.child.connection.ask(frames.IMPORT, json.dumps({"modules": list(modules)}).encode())
        self.ready = True

    async def copy(self, output: Output, told: Told) -> tuple[Child, Place]:
        """Raises ConnectionLost, TimeoutError, ValueError and Unavailable."""
        assert self.child
        self._numbers += 1
        place = replace(self.place, scratch=self.place.scratch / f"r{self._numbers}")
        place.make()
        made = plan(self.spec, self._settings, place, [])
        made = made._replace(inner=True, uid=None)
        ends = Ends()
        try:
            process = await self._fork(made, ends.given, place.scratch)
            try:
                child = await ends.child(process, output, told, self.spec.limits.answer_bytes)
            except BaseException:
                process.kill()
                await process.wait()
                process.forget()
                raise
        except BaseException:
            ends.close()
            raise
        await confined(child, told, required=made.required)
        return child, place

    async def _fork(self, plan: Plan, given: list[int], scratch: Path) -> Copy:
        assert self.child
        assert self._descriptors
        async with self._lock, asyncio.timeout(FORK_SECONDS):
            socket.send_fds(self._descriptors, [b"x"], given)
            asked = json.dumps(plan._asdict()).encode()
            _, body = await self.child.connection.ask(frames.FORK, asked)
        return self._known(int(read_json(body).get("pid", 0)), scratch)

    def forget(self, pid: int) -> None:
        self._copies.pop(pid, None)
        if self.child:
            with contextlib.suppress(ConnectionLost):
                self.child.connection.send(frames.FORGET, body=json.dumps({"pid": pid}).encode())
        if self.retired and not self._copies and self.child:
            self.child.kill()

    async def ended(self) -> None:
        if self.child:
            await asyncio.shield(self.child.ended)

    def retire(self) -> None:
        """Ends, with its last copy."""
        self.retired = True
        if not self._copies and self.child:
            self.child.kill()

    async def close(self) -> None:
        for copy in self._copies.values():
            copy.kill()
        if self.child:
            await self.child.end("it is not wanted any more")
        if self._descriptors:
            self._descriptors.close()
        for copy in self._copies.values():
            # They ended with it.
            if not copy.status.done():
                copy.status.set_result(-9)
        await asyncio.to_thread(shutil.rmtree, self.place.scratch, ignore_errors=True)

    def _known(self, pid: int, scratch: Path) -> Copy:
        """Raises ValueError for a number that cannot be that of a process of its own."""
        assert self.child
        if pid <= 1 or pid in self._copies or _parent(pid) != self.child.process.pid:
            raise ValueError(f"{pid} is no process that it has started")
        copy = self._copies[pid] = Copy(pid, self, scratch)
        if pid in self._exited_early:
            copy.status.set_result(self._exited_early.pop(pid))
        return copy

    def _exited(self, body: bytes) -> None:
        told = read_json(body)
        pid, status = int(told.get("pid", 0)), int(told.get("status", 0))
        copy = self._copies.get(pid)
        if copy is None:
            self._exited_early[pid] = status
        elif not copy.status.done():
            copy.status.set_result(status)


class Standbys:
    """Those of the models that were put to sleep last, so many at most."""

    def __init__(self, settings: DeploySettings) -> None:
        self._settings = settings
        self._standbys: dict[str, Standby] = {}
        self._running: dict[asyncio.Task[None], Standby] = {}
        """Those that were let go too, until they have ended."""

    def find(self, spec: RunSpec) -> Standby | None:
        """One that can be copied now, for exactly this."""
        found = self._standbys.get(spec.revision)
        if found is None or not found.alive or not _same(found.spec, spec):
            return None
        self._standbys[spec.revision] = self._standbys.pop(spec.revision)
        return found

    def prepare(self, spec: RunSpec, place: Place, modules: Sequence[str]) -> None:
        """Begins to make one, in the place of the one that was used longest ago."""
        old = self._standbys.pop(spec.revision, None)
        if old:
            old.retire()
        while len(self._standbys) >= self._settings.standbys:
            self._standbys.pop(next(iter(self._standbys))).retire()
        made = self._standbys[spec.revision] = Standby(spec, place, self._settings)
        task = asyncio.create_task(self._live(made, modules))
        self._running[task] = made
        task.add_done_callback(self._running.pop)

    def has(self, spec: RunSpec) -> bool:
        """One that can be copied, or is being made."""
        found = self._standbys.get(spec.revision)
        ended = found is not None and found.child is not None and found.child.ended.done()
        return found is not None and not ended and _same(found.spec, spec)

    def drop(self, revision: str) -> None:
        """It is not needed any more."""
        found = self._standbys.pop(revision, None)
        if found:
            found.retire()

    async def close(self) -> None:
        self._standbys = {}
        running = dict(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        # One that was cancelled before it began has not even removed its folder.
        await asyncio.gather(*(each.close() for each in running.values()))

    async def _live(self, made: Standby, modules: Sequence[str]) -> None:
        try:
            await made.start(modules)
            if made.retired:
                made.retire()
            await made.ended()
        except (AppError, ConnectionLost, TimeoutError) as error:
            # The model wakes as it did the first time.
            log.warning("no standby", revision=made.spec.revision, reason=str(error))
        finally:
            await made.close()


def _same(one: RunSpec, other: RunSpec) -> bool:
    """What a copy cannot change any more."""

    def fixed(spec: RunSpec) -> tuple[object, ...]:
        return spec.folder, spec.python, spec.environment, spec.limits, spec.network

    return fixed(one) == fixed(other)


def _parent(pid: int) -> int:
    """0 where the system does not tell, or there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
