"""Programs that make environments: started without our secrets, heard line by line, and never left behind."""

import asyncio
import contextlib
import os
import re
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stentor_deploy.environments import Tell

PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "NETRC"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
"""Variables they see: what reaching an index takes."""

NOT_STARTED = 127
LONGEST_LINE = 4000
KEPT_LINES = 500
"""Of what was said, for telling why it failed: the last ones."""
PIECE = 64 * 1024
USER_OF_URL = re.compile(r"(?<=://)[^/@\s]+@")
UMASK = 0o022
"""Models are run by other users, who must be able to read what is made here."""


@dataclass(frozen=True, slots=True)
class Said:
    status: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


async def run(
    command: Sequence[str | Path], *, tell: Tell, folder: Path, variables: Mapping[str, str] | None = None
) -> Said:
    """Run a program in a folder, telling each line it writes, without passwords of addresses and without
    the folder's path. Cancelled, it ends with all that it has started."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ} | dict(variables or {}),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            # uvloop does not know `umask`.
            preexec_fn=partial(os.umask, UMASK),
        )
    except OSError as error:
        return Said(NOT_STARTED, (f"error: {Path(command[0]).name} does not start: {error.strerror}",))
    try:
        lines = await _heard(process, tell, folder)
        return Said(await process.wait(), lines)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def asked(*command: str | Path) -> str | None:
    """All that a short program writes; None where it does not start, or fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError:
        return None
    said, _ = await process.communicate()
    return None if process.returncode else said.decode(errors="replace")


async def _heard(process: asyncio.subprocess.Process, tell: Tell, folder: Path) -> tuple[str, ...]:
    assert process.stdout is not None
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    rest = b""
    while piece := await process.stdout.read(PIECE):
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > LONGEST_LINE:
            whole, rest = [*whole, rest], b""
        for line in whole:
            kept.append(_clean(line, folder))
            tell(kept[-1])
    if rest:
        kept.append(_clean(rest, folder))
        tell(kept[-1])
    return tuple(kept)


def _clean(line: bytes, folder: Path) -> str:
    text = line[:LONGEST_LINE].decode(errors="replace").rstrip()
    return USER_OF_URL.sub("", text).replace(f"{folder}/", "")
