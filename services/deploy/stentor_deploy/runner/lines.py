"""What a model prints, told by lines, each with the request that it was printed for.

`sys.stdout` and `sys.stderr` write whole lines to the pipes behind descriptors 1 and 2. A line of a request
begins with MARK, the request's id and END_OF_MARK; what else writes to the descriptors, such as libraries in
C and other programs, bears no mark.
"""

from __future__ import annotations

import contextvars
import io
import os
import sys
import threading

MARK, END_OF_MARK = b"\x1e", b"\x1f"
LONGEST = 8192
"""Characters of a line; longer ones are told in parts."""

request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="")
"""Id of the request that this thread or task works for."""


class Lines(io.TextIOBase):
    """A text stream without a position. Lines of different requests are kept apart until they end."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun: dict[str, str] = {}
        self._lock = threading.RLock()
        # What asks for bytes, as `sys.stdout.buffer.write` does.
        self.buffer = io.FileIO(descriptor, "wb", closefd=False)

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        who = request.get()
        with self._lock:
            *whole, rest = (self._begun.pop(who, "") + str(text)).split("\n")
            while len(rest) > LONGEST:
                whole.append(rest[:LONGEST])
                rest = rest[LONGEST:]
            if rest:
                self._begun[who] = rest
            for line in whole:
                self._tell(who, line)
        return len(text)

    def end_lines(self) -> None:
        """Tells what this request has begun; called when it is done."""
        who = request.get()
        with self._lock:
            rest = self._begun.pop(who, "")
            if rest:
                self._tell(who, rest)

    def _tell(self, who: str, line: str) -> None:
        mark = MARK + who.encode(errors="replace") + END_OF_MARK if who else b""
        rest = memoryview(mark + line.encode(errors="replace") + b"\n")
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]


def take_over() -> None:
    """From now on this process prints by lines."""
    sys.stdout, sys.stderr = Lines(1), Lines(2)


def end_lines() -> None:
    """Tells lines that the current request has begun and not ended."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, Lines):
            stream.end_lines()
