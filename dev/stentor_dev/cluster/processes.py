"""The processes of containers."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import psutil

from stentor_dev import tether

UNITS = {"": 1, "Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


async def start(
    command: list[str], environment: dict[str, str], folder: Path, output: BinaryIO
) -> asyncio.subprocess.Process:
    """In a process group of its own. It ends with this process, however that ends."""
    tethered = [sys.executable, "-I", "-S", tether.__file__, os.getpid(), int(signal.SIGKILL), os.geteuid()]
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *map(str, tethered),
            *command,
            env=environment,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        send(await starting, signal.SIGKILL)
        raise


def send(process: asyncio.subprocess.Process, number: int) -> None:
    """To it and to what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def fails(command: list[str]) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    return await (await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)).wait() != 0


async def exceeds(process: asyncio.subprocess.Process, quantity: str) -> bool:
    """Ends it when it and its children hold more memory than `512Mi`, if so much is said; returns whether it
    had to."""
    limit = _bytes(quantity)
    while limit:
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(process.pid)
            if sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)]) > limit:
                send(process, signal.SIGKILL)
                return True
        await asyncio.sleep(0.05)
    return False


def expanded(text: str, values: dict[str, str]) -> str:
    """With variables in the place of `$(NAME)`; `$$(NAME)` is a way to write that itself."""

    def value(found: re.Match[str]) -> str:
        return found[0][1:] if found[1] else values.get(found[2], found[0])

    return re.sub(r"\$(\$)?\((\w+)\)", value, text)


def _bytes(quantity: str) -> int:
    found = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", quantity)
    return int(found[1]) * UNITS[found[2]] if found else 0
