"""The fork server: has the libraries in memory, and makes a limited process for each recording.

Starting Python with them takes a quarter of a second; forking takes a few milliseconds. It is told by one
socket what to do, ends when that is closed, and takes its processes along.
"""

import os
import resource
import select
import signal
import socket
from typing import NoReturn

from stentor_common import confinement
from stentor_stt.decoder import reading, voice
from stentor_stt.decoder.wire import RECORD_BYTES, Plan, Request
from stentor_stt.decoder.work import decode

DESCRIPTORS = 256
LOOK_EVERY_SECONDS = 0.5
"""Until processes that were told to end are gone."""

CPU_SECONDS = 60
AUDIO_SECONDS_PER_CPU_SECOND = 20
"""A tenth or less of what decoding and looking for speech reach on slow machines."""


class ForkServer:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}
        """Process id by number of the request, until somebody says that it is no longer needed."""
        self._leaving: set[int] = set()
        """Processes that may still have to be cleared away; until then no other has the same id."""

    def serve(self) -> None:
        """Until whoever asks is gone."""
        while True:
            waits = LOOK_EVERY_SECONDS if self._leaving else None
            ready, _, _ = select.select([self._control], [], [], waits)
            if ready and not self._answer():
                break
            self._leaving = {child for child in self._leaving if not os.waitpid(child, os.WNOHANG)[0]}
        for child in self._children.values():
            os.kill(child, signal.SIGKILL)

    def _answer(self) -> bool:
        record, descriptors = _received(self._control)
        if len(record) < RECORD_BYTES:
            return False
        request = Request.unpacked(record)
        if request.plan is None:
            if child := self._children.pop(request.number, None):
                os.kill(child, signal.SIGKILL)
                self._leaving.add(child)
            return True
        recording, answers = descriptors
        voice.prepare(request.plan.detector)
        child = os.fork()
        if not child:
            _decode(recording, answers, request.plan)
        self._children[request.number] = child
        for descriptor in (recording, answers):
            os.close(descriptor)
        return True


def main() -> None:
    """Serve the socket that standard input is."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    confinement.end_with_parent()
    with socket.socket(fileno=os.dup(0)) as control:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        reading.prepare()
        confinement.prepare_to_fork()
        ForkServer(control).serve()


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    record, descriptors = b"", []
    while len(record) < RECORD_BYTES:
        part, found, _, _ = socket.recv_fds(control, RECORD_BYTES - len(record), 2)
        if not part:
            break
        record += part
        descriptors += found
    return record, descriptors


def _decode(recording: int, answers: int, plan: Plan) -> NoReturn:
    """What the new process does. It never returns into the server's loop."""
    status = 1
    try:
        confinement.confine(
            (recording, answers),
            memory_mib=plan.memory_mib,
            cpu_seconds=round(CPU_SECONDS + plan.max_seconds / AUDIO_SECONDS_PER_CPU_SECOND),
        )
        with open(recording, "rb", buffering=0) as file, socket.socket(fileno=answers) as to:
            decode(file, to, plan)
        status = 0
    except (BrokenPipeError, ConnectionResetError):
        # Nobody listens any more.
        status = 0
    finally:
        # Without the traceback that Python would print, and without what the server would tidy up.
        os._exit(status)
