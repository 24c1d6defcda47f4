"""One embedded process per data folder: two would each believe the other's jobs to be lost."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUse(Exception):
    """Another process works on this folder; the message names it."""


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold the folder while the block lasts; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise FolderInUse(
                f"{folder.resolve()} is in use by another Stentor (process {file.read().strip() or '?'}); "
                "stop it, or choose another folder with STENTOR_DATA_DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
