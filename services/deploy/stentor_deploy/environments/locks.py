"""One at a time, of all processes that share a folder."""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0


@asynccontextmanager
async def locked(path: Path) -> AsyncIterator[None]:
    """Hold a lock for the block; it goes with the process, however it ends. The file is not left behind."""
    pause = PAUSE_SECONDS
    while True:
        with held_now(path) as held:
            if held:
                yield
                return
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


@contextmanager
def held_now(path: Path) -> Iterator[bool]:
    """Whether the lock was free; if so it is held for the block."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        if not _is_still(path, file.fileno()):
            # Whoever had it has removed the file: the lock of that name is another one by now.
            yield False
            return
        try:
            yield True
        finally:
            path.unlink(missing_ok=True)


def _is_still(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    return False
