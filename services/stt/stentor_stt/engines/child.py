"""The process an engine runs in: `python -m stentor_stt.engines.child PIPE PARENT`.

It does what it is asked on the pipe, one thing after the other, and ends with whoever asks.
"""

import ctypes
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import Any

from stentor_common.adapters import resolve
from stentor_stt.engines import ENGINES, Engine, EngineSettings
from stentor_stt.engines.pipe import Answer, Call, Failure

NICENESS = 5
"""Others go first when all cores are busy: answering a probe takes the model no time, but the probe would
wait behind the model."""

SET_PARENT_DEATH_SIGNAL = 1


def main(pipe: int, parent: int) -> None:
    # The parent decides when this ends, also when a supervisor asks all processes at once.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    _die_with(parent)
    os.nice(NICENESS)
    connection: Connection[Answer, Call] = Connection(pipe)
    calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    _Host().serve(calls, connection)


class _Host:
    """Runs calls, one after the other, in the main thread."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def serve(self, calls: "queue.SimpleQueue[Call]", connection: "Connection[Answer, Call]") -> None:
        while True:
            call = calls.get()
            try:
                answer = self._answer(call)
            except Exception as error:
                answer = Failure.of(error)
            connection.send(answer)

    def _answer(self, call: Call) -> Any:
        if call.method == "load":
            name, settings = call.arguments
            return self._load(name, settings)
        return getattr(self._engine, call.method)(*call.arguments)

    def _load(self, name: str, settings: EngineSettings) -> None:
        self._engine = resolve(ENGINES, name)(settings)
        self._engine.load()


def _listen(connection: "Connection[Answer, Call]", calls: "queue.SimpleQueue[Call]") -> None:
    """Beside the main thread, which may be computing for a while, the end of the parent is seen at once."""
    try:
        while True:
            calls.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended first")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
