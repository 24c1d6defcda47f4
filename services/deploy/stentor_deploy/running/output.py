"""What a model prints, line by line, as fast as lines are taken and no faster."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from stentor_deploy.runner.lines import END_OF_MARK, LONGEST, MARK
from stentor_deploy.running import LogLine

AT_ONCE: Final = 64 * 1024
BYTES_PER_SECOND: Final = 512 * 1024
"""A model that prints more waits: that slows it, and nobody else."""
LAST: Final = 50
"""Lines kept to tell why it ended."""


class Output:
    """Both streams of a process. `alone` says which request it works for, if it is only one."""

    def __init__(self, tell: LogLine, alone: Callable[[], str] = lambda: "") -> None:
        self.last: deque[str] = deque(maxlen=LAST)
        self._tell, self._alone = tell, alone

    async def follow(self, stream: asyncio.StreamReader, name: str) -> None:
        """Until it ends."""
        rest = b""
        while True:
            came = await stream.read(AT_ONCE)
            *lines, rest = (rest + came).split(b"\n")
            if len(rest) > LONGEST * 4 or not came:
                lines, rest = [*lines, rest], b""
            for line in lines:
                if line:
                    self._line(name, line)
            if not came:
                return
            if len(came) > AT_ONCE // 8:
                await asyncio.sleep(len(came) / BYTES_PER_SECOND)

    def say(self, line: str) -> None:
        """Of the system, about the process."""
        self.last.append(line)
        self._tell("system", line, "")

    def _line(self, name: str, line: bytes) -> None:
        request = self._alone()
        if line.startswith(MARK):
            head, mark, tail = line[1:].partition(END_OF_MARK)
            if mark:
                request, line = head.decode(errors="replace")[:255], tail
        text = line.decode(errors="replace").rstrip("\r")[: LONGEST * 4]
        self.last.append(text)
        self._tell(name, text, request)
