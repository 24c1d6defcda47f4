"""A child process for an engine: ending it really frees its memory, and its end is not ours."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stentor_common.engines import EngineLost
from stentor_common.errors import AppError
from stentor_common.hosting.pipe import MAKE, Answer, Call, Failure, Part, Stop

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
    *("PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD"),
    *("XDG_CACHE_HOME", "XDG_DATA_HOME", "TTS_HOME"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "MALLOC_ARENA_MAX"),
)
KEPT_PREFIXES = ("HF_", "HIBARI_", "CUDA_", "NVIDIA_", "CT2_", "GOMP_", "OMP_", "KMP_", "MKL_", "OPENBLAS_")
"""What libraries of models read. Nothing else of our environment, where secrets are, reaches the child."""

SPINS = {"GOMP_SPINCOUNT": "1000"}
"""How often threads of OpenMP look for more to do before they sleep: some 50 microseconds. The library's
own 300 000 are no faster on cores that nobody else uses, and where others do, threads that spin keep the
one they wait for from its core: with a load of 12 on two cores hearing took over ten times as long."""

ENDING_SECONDS = 10


class EngineFault(Exception):
    """What the engine raised that is no error of the caller: its kind and text; notes hold the traceback."""


class ChildProcess:
    """The process, and the one pipe to it, on which one call is made at a time. Any thread may call.

    It makes its engine of `factory`, written `module:name`, and the arguments. `python` is another
    interpreter, for an engine with an environment of its own. What the engine raises as AppError is raised
    here as the same; anything else as EngineFault. When the process ends by itself, all that is under way
    raises EngineLost.
    """

    def __init__(self, factory: str, *arguments: Any, python: Path | None = None) -> None:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            self._process = _starter().submit(_start, theirs.fileno(), python).result()
            undo.pop_all()
        self._pipe: Connection[Call | Stop, Answer] = Connection(ours.detach())
        self._turn = threading.Lock()
        self._numbers = itertools.count()
        self._factory: tuple[Any, ...] | None = (factory, *arguments)
        """Until the engine is made, with the first call."""

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, *arguments: Any, patience: float | None = None) -> Any:
        """What the engine's method answers. A process that takes longer than `patience` seconds hangs, and
        is ended."""
        with self._turn:
            self._make()
            self._send(Call(next(self._numbers), method, arguments))
            return self._received(patience)

    def stream(
        self, method: str, *arguments: Any, patience: float | None = None
    ) -> Generator[Any, None, None]:
        """What the engine's generator gives, as it comes; `patience` is for each value. Closed early,
        this ends the generator too, after the value it is at."""
        with self._turn:
            self._make()
            call = Call(next(self._numbers), method, arguments, in_parts=True)
            self._send(call)
            try:
                while isinstance(part := self._received(patience), Part):
                    yield part.value
            except GeneratorExit:
                # Whoever comes next must not read what is left.
                with contextlib.suppress(AppError, EngineFault):
                    self._send(Stop(call.number))
                    while isinstance(self._received(patience), Part):
                        pass
                raise

    def end(self) -> None:
        """It keeps nothing that would have to be put in order first."""
        self._process.kill()
        self._process.wait()
        # A thread that waits for an answer sees the end of the pipe, and only then lets go of it.
        with self._turn:
            self._pipe.close()

    def _make(self) -> None:
        if self._factory:
            self._send(Call(next(self._numbers), MAKE, self._factory))
            self._received(None)
            self._factory = None

    def _send(self, message: Call | Stop) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise EngineLost(self._last_words()) from error

    def _received(self, patience: float | None) -> Any:
        try:
            if patience is not None and not self._pipe.poll(patience):
                self._process.kill()
            answer = self._pipe.recv()
        except (OSError, EOFError) as error:
            raise EngineLost(self._last_words()) from error
        if isinstance(answer, Failure):
            raise answer.error(EngineFault)
        return answer

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return "the model's process was killed, perhaps because the machine ran out of memory; try again"
        return f"the model's process ended by itself (status {code}); try again"


def environment_for_child(ours: Mapping[str, str]) -> dict[str, str]:
    """The variables that the child needs, without those that are ours."""
    kept = {name: value for name, value in ours.items() if name in KEPT or name.startswith(KEPT_PREFIXES)}
    return kept if "OMP_WAIT_POLICY" in kept else SPINS | kept


def resident_bytes(pid: int) -> int | None:
    """Memory of a process that is in RAM; None when the system does not tell."""
    try:
        if sys.platform == "linux":
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        ask = ["/bin/ps", "-o", "rss=", "-p", str(pid)]
        return int(subprocess.check_output(ask)) * 1024  # noqa: S603 - a program of the system
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError):
        return None


def _start(pipe: int, python: Path | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        # Not from the current folder, whatever lies there.
        [python or sys.executable, "-P", "-m", "stentor_common.hosting.child", str(pipe), str(os.getpid())],
        pass_fds=[pipe],
        env=environment_for_child(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        # Ctrl-C at the terminal, and signals to our group, are for us: the child ends when we let it.
        start_new_session=True,
    )


@functools.cache
def _starter() -> ThreadPoolExecutor:
    # To Linux the parent is the thread that started a child: when it ends, the child is told so. One thread
    # that lives as long as this process starts them all.
    return ThreadPoolExecutor(1, thread_name_prefix="engine-starter")
