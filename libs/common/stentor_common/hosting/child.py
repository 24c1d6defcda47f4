"""The process an engine runs in: `python -m stentor_common.hosting.child PIPE PARENT`.

It does what it is asked on the pipe, one thing after the other, and ends with whoever asks.
"""

import ctypes
import importlib
import os
import queue
import signal
import sys
import threading
from contextlib import closing
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from stentor_common.hosting.pipe import MAKE, Answer, Call, Failure, Part, Stop

Connected: TypeAlias = "Connection[Answer, Call | Stop]"

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
    connection: Connected = Connection(pipe)
    host = _Host(connection)
    threading.Thread(target=host.listen, daemon=True).start()
    host.serve()


class _Host:
    """Runs calls, one after the other, in the main thread."""

    def __init__(self, connection: "Connected") -> None:
        self._connection = connection
        self._calls: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._stopped = -1
        """Number of the last call that was stopped."""
        self._engine: Any = None

    def listen(self) -> None:
        """Beside the main thread, which may be computing for a while, the end of the parent is seen at
        once."""
        try:
            while True:
                message = self._connection.recv()
                if isinstance(message, Stop):
                    self._stopped = message.number
                else:
                    self._calls.put(message)
        except (EOFError, OSError):
            os._exit(0)

    def serve(self) -> None:
        while True:
            call = self._calls.get()
            try:
                answer = self._answer(call)
            except Exception as error:
                answer = Failure.of(error)
            self._connection.send(answer)

    def _answer(self, call: Call) -> Any:
        if call.method == MAKE:
            factory, *arguments = call.arguments
            self._engine = _found(factory)(*arguments)
            return None
        found = getattr(self._engine, call.method)(*call.arguments)
        return self._send_parts(call, found) if call.in_parts else found

    def _send_parts(self, call: Call, parts: Any) -> None:
        with closing(parts):
            for part in parts:
                self._connection.send(Part(part))
                if self._stopped == call.number:
                    break


def _found(factory: str) -> Any:
    module, _, name = factory.partition(":")
    return getattr(importlib.import_module(module), name)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended first")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
