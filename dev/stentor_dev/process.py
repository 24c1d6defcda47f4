"""Programs as direct children: started, watched, stopped, and never left behind."""

import contextlib
import functools
import itertools
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

# Below what Linux and macOS hand to outgoing connections, so that a port is still free when a killed server
# comes back to it; and low enough for servers that add 10000 for a second port.
PORTS = range(20000, 32000)
TETHER = Path(__file__).with_name("tether.py")


class StartFailed(RuntimeError):
    """A program ended, or did not become ready in time; the text carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Command:
    argv: Sequence[str | Path]
    directory: Path
    environment: Mapping[str, str]
    account: int | None = None
    """Numeric user to run as; None stays with the present one."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What Linux sends when the starting program is gone without having stopped it."""

    @property
    def log(self) -> Path:
        return self.directory / "output.log"


class Child:
    """A running program in a session of its own, so that Ctrl-C at the terminal does not reach it."""

    def __init__(self, command: Command) -> None:
        self.log = command.log
        self._name = " ".join(str(word) for word in command.argv)
        self._popen = _starter().submit(_start, command).result()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def status(self) -> int | None:
        """With which it ended, negative for a signal; None while it runs."""
        return self._popen.poll()

    def log_tail(self, characters: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-characters:]

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float = 60) -> None:
        """Return once `ready` is true; on any other end the program is killed and StartFailed raised."""
        deadline = time.monotonic() + timeout_seconds
        try:
            while self.running and time.monotonic() < deadline:
                if ready():
                    return
                time.sleep(0.03)
        except BaseException:
            self.kill()
            raise
        self._fail()

    def wait_for_success(self, *, timeout_seconds: float = 120) -> None:
        """For a program that does one thing and ends: return when it has, or raise StartFailed."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout_seconds)
        if self._popen.poll() != 0:
            self._fail()

    def stop(self, ask: signal.Signals = signal.SIGTERM, *, patience_seconds: float = 20) -> None:
        family = self._family()
        if self.running:
            self._popen.send_signal(ask)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(patience_seconds)
        self._end(family)

    def kill(self) -> None:
        self._end(self._family())

    def _fail(self) -> NoReturn:
        state = "took too long" if self.running else f"ended with {self._popen.returncode}"
        self.kill()
        raise StartFailed(f"{self._name} {state}; {self.log} ends with\n{self.log_tail()}")

    def _family(self) -> list[psutil.Process]:
        # Looked up while the parent lives: servers give their children other sessions and groups.
        try:
            return psutil.Process(self.pid).children(recursive=True) if self.running else []
        except psutil.NoSuchProcess:
            return []

    def _end(self, family: list[psutil.Process]) -> None:
        self._popen.kill()
        self._popen.wait()
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        while any(_alive(member) for member in family):
            time.sleep(0.01)


class Server(ABC):
    """A program with a folder and a port that are the same each time it starts."""

    patience_seconds: float = 20
    """How long it may take to end after it has been asked to."""
    stop_signal = signal.SIGTERM

    def __init__(self, base: Path, port: int | None = None) -> None:
        self.base = base.resolve()
        self.port = port or free_port()
        self.child: Child | None = None
        """None unless it was started and has not been ended since."""

    @abstractmethod
    def start(self) -> None:
        """Bring it up and wait until it answers."""

    def stop(self) -> None:
        child, self.child = self.child, None
        if child:
            child.stop(self.stop_signal, patience_seconds=self.patience_seconds)

    def kill(self) -> None:
        """End it at once: kill -9."""
        child, self.child = self.child, None
        if child:
            child.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def run(self, command: Command, ready: Callable[[], bool], *, timeout_seconds: float = 60) -> None:
        """What a `start` ends with; when it raises, nothing is left running."""
        child = Child(command)
        child.wait_until(ready, timeout_seconds=timeout_seconds)
        self.child = child


def _alive(process: psutil.Process) -> bool:
    """An orphan nobody has reaped yet holds no file, port or memory: it counts as gone."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _start(command: Command) -> subprocess.Popen[bytes]:
    command.directory.mkdir(parents=True, exist_ok=True)
    account = os.geteuid() if command.account is None else command.account
    tether: list[str | Path] = [sys.executable, "-I", "-S", TETHER]
    tether += [str(number) for number in (os.getpid(), int(command.orphan_signal), account)]
    with command.log.open("ab") as log:
        return subprocess.Popen(
            [*tether, *command.argv],
            cwd=command.directory,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


@functools.cache
def _starter() -> ThreadPoolExecutor:
    # For Linux the parent is the thread that forked: when that ends, its children get the orphan signal. So
    # one thread that lives as long as this program starts them all, whichever thread asks.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


def free_port() -> int:
    """A port that nothing listens on, and that no earlier call in this program has given out."""
    return next(port for port in _candidates() if _is_free(port))


@functools.cache
def _candidates() -> Iterator[int]:
    first = secrets.randbelow(len(PORTS))
    return itertools.cycle((*PORTS[first:], *PORTS[:first]))


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Whether something listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
