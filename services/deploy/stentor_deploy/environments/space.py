"""Nobody's requirements fill the disk that everything else lives on."""

import asyncio
import contextlib
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from stentor_common.errors import Unavailable

PAUSE_SECONDS = 0.5

T = TypeVar("T")


async def while_there_is_space(doing: Coroutine[Any, Any, T], folder: Path, keep_bytes: int) -> T:
    """Do it, unless less than so many bytes are left where the folder is. Raises Unavailable."""
    task = asyncio.ensure_future(doing)
    try:
        while not task.done():
            if shutil.disk_usage(folder).free < keep_bytes:
                raise Unavailable(
                    "the server has too little disk space left for this environment; ask for fewer or "
                    "smaller packages, or have deployments removed"
                )
            await asyncio.wait({task}, timeout=PAUSE_SECONDS)
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
