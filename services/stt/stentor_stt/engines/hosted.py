"""An engine in a process of its own: unloading really frees its memory, and its end is not ours."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stentor_common.engines import EngineLost
from stentor_stt.audio import SAMPLE_RATE
from stentor_stt.engines import EngineSettings, Heard, Piece
from stentor_stt.engines.pipe import Answer, Call, Failure
from stentor_stt.models import canonical
from stentor_stt.options import Options, Task

KEPT = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"),
    *("PYTHONPATH", "VIRTUAL_ENV", "XDG_CACHE_HOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LD_PRELOAD"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "MALLOC_ARENA_MAX"),
)
KEPT_PREFIXES = ("HF_", "CUDA_", "NVIDIA_", "CT2_", "GOMP_", "OMP_", "KMP_", "MKL_", "OPENBLAS_")
"""What libraries of models read. Nothing else of our environment, where secrets are, reaches the child."""

SPINS = {"GOMP_SPINCOUNT": "1000"}
"""How often threads of OpenMP look for more to do before they sleep: some 50 microseconds. The library's
own 300 000 are no faster on cores that nobody else uses, and where others do, threads that spin keep the
one they wait for from its core: with a load of 12 on two cores hearing took over ten times as long."""

ENDING_SECONDS = 10


def patience(seconds: float) -> float:
    """How long a child may take to hear so much sound; one that takes longer hangs."""
    return 120 + 60 * seconds


class EngineFault(Exception):
    """What the engine raised that is no error of the caller: its kind and text; notes hold the traceback."""


class HostedEngine:
    """The engine called `name`, in a child process that `load` starts and `unload` ends.

    What the engine raises as AppError is raised here as the same; anything else as EngineFault. When the
    child ends by itself, all that is under way raises EngineLost, and `load` starts another.
    """

    def __init__(
        self, name: str, settings: EngineSettings, patience: Callable[[float], float] = patience
    ) -> None:
        self.name = name
        self.model = canonical(settings.model)
        self._patience = patience
        self._settings = settings
        self._child: _Child | None = None
        self._known: frozenset[str] = frozenset()
        self._offered: set[tuple[str | None, Task]] = set()

    @property
    def pid(self) -> int | None:
        """Of the child, while there is one."""
        child = self._child
        return child.pid if child else None

    def load(self) -> None:
        if self._child is not None:
            return
        self._child = child = _Child()
        try:
            child.call("load", self.name, self._settings)
            self._known = child.call("languages")
        except BaseException:
            self.unload()
            raise

    def unload(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()

    def check(self, options: Options) -> None:
        """Asks the child once for each language and task that it can do: an answer waits for what is being
        heard."""
        child, kind = self._loaded(), (options.language, options.task)
        if kind not in self._offered:
            child.call("check", options)
            self._offered.add(kind)

    def hear(self, pieces: Sequence[Piece]) -> list[Heard]:
        seconds = sum(len(piece.sound) for piece in pieces) / SAMPLE_RATE
        heard: list[Heard] = self._loaded().call("hear", pieces, patience=self._patience(seconds))
        return heard

    def languages(self) -> frozenset[str]:
        self._loaded()
        return self._known

    def memory_bytes(self) -> int | None:
        """What the child holds in memory now; None while there is no child, or when nobody can tell."""
        pid = self.pid
        return resident_bytes(pid) if pid else None

    def _loaded(self) -> _Child:
        if self._child is None:
            raise RuntimeError("load() comes before using the engine")
        return self._child


class _Child:
    """The process, and the one pipe to it, on which one call is made at a time."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, contextlib.ExitStack() as undo:
            undo.enter_context(ours)
            self._process = _starter().submit(_start, theirs.fileno()).result()
            undo.pop_all()
        self._pipe: Connection[Call, Answer] = Connection(ours.detach())
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def call(self, method: str, *arguments: Any, patience: float | None = None) -> Any:
        """What the method answers. Raises what it raises, and EngineLost."""
        with self._turn:
            try:
                self._pipe.send(Call(method, arguments))
                if patience is not None and not self._pipe.poll(patience):
                    self._process.kill()
                answer = self._pipe.recv()
            except (OSError, EOFError) as error:
                raise EngineLost(self._last_words()) from error
        if isinstance(answer, Failure):
            raise answer.error(EngineFault)
        return answer

    def end(self) -> None:
        """It keeps nothing that would have to be put in order first."""
        self._process.kill()
        self._process.wait()
        # A thread that waits for an answer sees the end of the pipe, and only then lets go of it.
        with self._turn:
            self._pipe.close()

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


def _start(pipe: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own program
        # Not from the current folder, whatever lies there.
        [sys.executable, "-P", "-m", "stentor_stt.engines.child", str(pipe), str(os.getpid())],
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
