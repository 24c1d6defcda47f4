"""A process that has imported what a model needs, and makes copies of itself that run it.

A copy is there in milliseconds, where importing takes seconds. The model's own code runs in copies alone.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import sys
import warnings
from typing import Any

from stentor_deploy.runner import frames, lines, sandbox
from stentor_deploy.runner.model import resident
from stentor_deploy.runner.program import serve_socket

DESCRIPTORS = 3
"""Of a copy: its socket, stdout and stderr."""


def serve_standby(control: int, descriptors: int) -> None:
    """Copies itself when it is asked to. Ends with whoever asks."""
    lines.take_over()
    Standby(socket.socket(fileno=control), socket.socket(fileno=descriptors)).serve()


class Standby:
    """Stays in one thread: a copy has no other."""

    def __init__(self, control: socket.socket, descriptors: socket.socket) -> None:
        self._control, self._descriptors = control, descriptors
        self._copies: set[int] = set()
        self._woken, self._wake = os.pipe()
        for end in (self._woken, self._wake):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._control.fileno(), self._woken], [], [])
            if self._woken in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._tell_ended()
            if self._control.fileno() in ready and not self._take():
                return

    def _take(self) -> bool:
        """One frame; whether there are more to come."""
        header = self._exactly(frames.HEADER.size)
        if len(header) < frames.HEADER.size:
            return False
        length, call, kind = frames.HEADER.unpack(header)
        told = json.loads(self._exactly(length) or b"{}")
        if kind == frames.IMPORT:
            import_all(told["modules"])
            self._send(frames.IMPORTED, call, {"memory_bytes": resident()})
        elif kind == frames.FORK:
            self._send(frames.FORKED, call, {"pid": self._fork(told)})
        elif kind == frames.FORGET and told["pid"] in self._copies:
            self._copies.remove(told["pid"])
            os.waitpid(told["pid"], 0)
        return True

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            came = self._control.recv(count - len(found))
            if not came:
                return b""
            found += came
        return found

    def _send(self, kind: int, call: int, body: dict[str, Any]) -> None:
        self._control.sendall(frames.frame(kind, call, json.dumps(body).encode()))

    def _fork(self, plan: dict[str, Any]) -> int:
        given = self._receive_descriptors()
        with warnings.catch_warnings():
            # Libraries may have begun threads, which a copy lacks; those that matter here bear it.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid == 0:
            self._become(sandbox.Plan(**plan), *given)
        self._copies.add(pid)
        for each in given:
            os.close(each)
        return pid

    def _receive_descriptors(self) -> list[int]:
        size = struct.calcsize(f"{DESCRIPTORS}i")
        _, extra, _, _ = self._descriptors.recvmsg(1, socket.CMSG_SPACE(size))
        return list(struct.unpack(f"{DESCRIPTORS}i", extra[0][2][:size]))

    def _become(self, plan: sandbox.Plan, end: int, out: int, err: int) -> None:
        """The copy, which never returns."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            os.dup2(out, 1)
            os.dup2(err, 2)
            for each in (
                self._control.detach(),
                self._descriptors.detach(),
                self._woken,
                self._wake,
                out,
                err,
            ):
                os.close(each)
            os.environ.clear()
            os.environ.update(plan.environment)
            report = sandbox.enter(plan)
            connection = socket.socket(fileno=os.dup(end))
            connection.sendall(frames.frame(frames.CONFINED, 0, json.dumps(report).encode()))
            connection.close()
            new_chances()
            if not (plan.required and report["missing"]):
                serve_socket(end)
            status = 0
        finally:
            os._exit(status)

    def _tell_ended(self) -> None:
        """They stay known to the system until nothing of them is left, so that no other gets their number."""
        for pid in sorted(self._copies):
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None:
                killed = found.si_code != os.CLD_EXITED
                status = -found.si_status if killed else found.si_status
                self._send(frames.EXITED, 0, {"pid": pid, "status": status})
        self._bury_orphans()

    def _bury_orphans(self) -> None:
        """What copies had started and left behind."""
        with contextlib.suppress(OSError, ValueError), open("/proc/thread-self/children") as file:
            for pid in {int(each) for each in file.read().split()} - self._copies:
                os.waitpid(pid, os.WNOHANG)


def import_all(names: list[str]) -> None:
    """Those that can be; what they print or raise is nobody's concern before the model asks for it."""
    for name in names:
        with contextlib.suppress(BaseException), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module(name)
    gc.collect()
    # Looking for garbage in what is shared would copy it.
    gc.freeze()


def new_chances() -> None:
    """Copies must not all draw the same numbers."""
    for name, how in (("random", "seed"), ("numpy.random", "seed"), ("torch", "seed")):
        seed = getattr(sys.modules.get(name), how, None)
        if callable(seed):
            seed()
