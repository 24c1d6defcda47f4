"""Documents as text, read in a process that can do no harm."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog
from pydantic import TypeAdapter, ValidationError

from stentor_common.errors import AppError
from stentor_summarize.documents.wire import Bounds, Extracted, Failure, Fault, Task
from stentor_summarize.errors import (
    DocumentDamaged,
    DocumentEmpty,
    DocumentEncrypted,
    DocumentTooLong,
    DocumentWithoutText,
    ReaderLost,
    ReaderMissing,
    UnknownDocument,
)

ENVIRONMENT = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that the process sees: what finding libraries takes, and nothing secret."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

AT_ONCE = 2
"""Documents that are read side by side; each may fill a good part of the memory."""

WAITING_FACTOR = 3
"""On a machine that does much else, so many times its seconds may pass until a document is read."""

BYTES_PER_CHARACTER = 12
"""Longest form of a character in the answer, which is JSON in ASCII."""

SLACK_BYTES = 64 * 1024

log = structlog.get_logger()


class Extractor:
    """Reads documents within bounds. Of use on one event loop."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def text(self, path: Path, name: str) -> Extracted:
        """What a document says; `name` is what its owner calls it. Cancelling ends the reading.

        Raises DocumentUnreadable, one of its kinds, ReaderMissing and ReaderLost.
        """
        task = Task(suffix_of(name), self._bounds)
        async with self._turns:
            answer = await _answer(path, task)
        if isinstance(answer, Failure):
            raise self._error(answer)
        return answer

    def _error(self, failure: Failure) -> AppError:
        if failure.remark:
            log.warning("a document could not be read", fault=failure.fault, reason=failure.remark)
        bounds = self._bounds
        found: dict[Fault, Callable[[], AppError]] = {
            Fault.EMPTY: DocumentEmpty,
            Fault.NO_TEXT: DocumentWithoutText,
            Fault.ENCRYPTED: DocumentEncrypted,
            Fault.UNKNOWN: lambda: UnknownDocument(failure.found),
            Fault.MISNAMED: lambda: UnknownDocument(f"a text that is named {failure.found}"),
            Fault.TOO_MANY_PAGES: lambda: DocumentTooLong(f"{bounds.pages} pages"),
            Fault.TOO_LONG: lambda: DocumentTooLong(f"{bounds.characters} characters"),
            Fault.TOO_BIG: lambda: DocumentTooLong(f"what {bounds.memory_mib} MiB of memory can hold"),
            Fault.TOO_SLOW: lambda: DocumentTooLong(f"what can be read in {bounds.seconds:g} s"),
            Fault.NOT_INSTALLED: lambda: ReaderMissing(failure.found),
            Fault.DAMAGED: DocumentDamaged,
            Fault.BROKEN: DocumentDamaged,
        }
        return found[failure.fault]()


def suffix_of(name: str) -> str:
    """How a file's name ends: `.pdf`; empty where it says nothing."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix.isascii() and len(suffix) <= len(".markdown") else ""


async def _answer(path: Path, task: Task) -> Extracted | Failure:
    started = asyncio.get_running_loop().time()
    longest = WAITING_FACTOR * task.bounds.seconds
    process = await _started(path, task)
    try:
        async with asyncio.timeout(longest):
            said = await _said(process, BYTES_PER_CHARACTER * task.bounds.characters + SLACK_BYTES)
            status = await process.wait()
    except TimeoutError:
        return Failure(Fault.TOO_SLOW)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    took = asyncio.get_running_loop().time() - started
    return _understood(said, status, slow=took >= task.bounds.seconds)


async def _started(path: Path, task: Task) -> asyncio.subprocess.Process:
    with path.open("rb") as file:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "stentor_summarize.documents", _TASK.dump_json(task).decode()),
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(os.environ),
            # What is typed at a terminal is meant for us.
            start_new_session=True,
        )


async def _said(process: asyncio.subprocess.Process, most: int) -> bytes:
    """All that the process says, and not more than it may."""
    assert process.stdout is not None
    said = bytearray()
    while len(said) <= most and (chunk := await process.stdout.read(1 << 20)):
        said += chunk
    if len(said) > most:
        process.kill()
    return bytes(said)


def _understood(said: bytes, status: int, *, slow: bool) -> Extracted | Failure:
    if status == -signal.SIGKILL and not said:
        if slow:
            return Failure(Fault.TOO_SLOW)
        # The system, short of memory, or somebody else; another time it may do.
        raise ReaderLost
    try:
        return _ANSWER.validate_json(said)
    except ValidationError:
        return Failure(Fault.BROKEN, remark=f"the reader ended with status {status}")


def _environment(ours: Mapping[str, str]) -> dict[str, str]:
    return {name: ours[name] for name in ENVIRONMENT if name in ours} | ONE_THREAD


_TASK = TypeAdapter(Task)
_ANSWER: TypeAdapter[Extracted | Failure] = TypeAdapter(Extracted | Failure)
