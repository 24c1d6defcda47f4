"""Packages from repositories: fetched over https alone, from the very address that was checked.

What git does on its own account is switched off: settings of the machine and of users, hooks, passwords,
redirects, submodules, filters. The tree is measured before a file of it is written.
"""

import asyncio
import ipaddress
import os
import re
import shutil
import signal
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import anyio

from stentor_common.errors import TooLarge
from stentor_common.fetch import INSIDE, Resolve, UrlRefused
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.landing import path_parts
from stentor_deploy.packages.rules import Rules

REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./+-]{0,200}")
PINNING_SINCE = (2, 37)
"""Version of git that can be told which address to use."""
LOOK_SECONDS = 0.2
"""Between two looks at how large a repository has grown."""
ROOMY = 2
"""A repository may take so many times the space of its files: they are kept compressed beside them."""

NO_GIT = "repositories cannot be fetched here"
LINK, SUBMODULE = b"120000", b"160000"
FROM_OUTSIDE = ("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "PATH")
"""Settings of this machine that git keeps: which certificates are trusted."""

SETTINGS = {
    "http.followRedirects": "false",
    "http.proxy": "",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "credential.helper": "",
    "core.hooksPath": os.devnull,
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "core.protectHFS": "true",
    "core.protectNTFS": "true",
    "core.attributesFile": os.devnull,
    "fetch.recurseSubmodules": "false",
    "fetch.fsckObjects": "true",
    "submodule.recurse": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    commit: str
    """In hexadecimal."""
    day: date
    """Of the commit; its files carry it as their time."""


async def fetch_git(
    url: str, ref: str | None, into: Path, rules: Rules, *, resolve: Resolve = anyio.getaddrinfo
) -> Fetched:
    """Bring the files of a commit, tag or branch into a new folder, without their history.

    `open_package` reads that folder. Raises UrlRefused and UrlUnreadable for the address, BadPackage for a
    repository or a ref that is not there, TooLarge; what was fetched until then is removed.
    """
    pinned = await _pinned(url, rules, resolve)
    if ref is not None and (not REF.fullmatch(ref) or ".." in ref):
        raise BadPackage(f"{ref!r} is no name of a branch, a tag or a commit")
    await _require_git()
    into.mkdir(parents=True)
    try:
        async with asyncio.timeout(rules.git_seconds), _bounded(into, rules.max_unpacked_bytes):
            return await _fetch_into(_Git(into, pinned), url, ref, rules)
    except BaseException as error:
        await asyncio.to_thread(shutil.rmtree, into, ignore_errors=True)
        if isinstance(error, TimeoutError):
            raise BadPackage(
                f"fetching the repository takes longer than {rules.git_seconds:g} seconds"
            ) from None
        raise


async def _fetch_into(git: "_Git", url: str, ref: str | None, rules: Rules) -> Fetched:
    await git.run("init", "--quiet", "--template=")
    await _fetch(git, url, ref)
    await _measure(git, rules)
    await git.run("checkout", "--quiet", "--force", "FETCH_HEAD")
    return await _finish(git)


async def _pinned(url: str, rules: Rules, resolve: Resolve) -> str:
    """The host's one address that git shall use, in the words of its setting."""
    target = rules.reach.checked(url)
    if target.scheme != "https":
        raise UrlRefused("repositories are fetched over https alone; the URL must begin with https://")
    port = target.port or 443
    try:
        found = await resolve(target.host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise BadPackage(f"the host of the repository is not known: {target.host}") from error
    addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
    if not addresses or not all(map(rules.reach.permits, addresses)):
        raise UrlRefused(INSIDE)
    address = str(addresses[0])
    return f"{target.host}:{port}:{f'[{address}]' if ':' in address else address}"


async def _require_git() -> None:
    try:
        process = await asyncio.create_subprocess_exec("git", "version", stdout=asyncio.subprocess.PIPE)
    except FileNotFoundError:
        raise BadPackage(f"{NO_GIT}: git is not installed; upload an archive") from None
    told, _ = await process.communicate()
    version = tuple(map(int, re.findall(rb"\d+", told)[:2]))
    if version < PINNING_SINCE:
        raise BadPackage(f"{NO_GIT}: git is older than 2.37; upload an archive")


async def _fetch(git: "_Git", url: str, ref: str | None) -> None:
    words = ("--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", url, ref or "HEAD")
    try:
        await git.run("fetch", *words)
    except GitFailed as error:
        raise BadPackage(f"the repository cannot be fetched: {error.reason}") from error


async def _measure(git: "_Git", rules: Rules) -> None:
    """A tree of few bytes may name a file millions of times, so it is counted before it is written."""
    files = size = 0
    async with aclosing(git.tree()) as tree:
        async for mode, length, _ in tree:
            files += mode != SUBMODULE
            size += length
            if files > rules.max_files:
                raise TooLarge(f"the repository holds more than {rules.max_files} files, the limit here")
            if size > rules.max_unpacked_bytes:
                raise _too_large(rules.max_unpacked_bytes)


async def _finish(git: "_Git") -> Fetched:
    """Leave the files alone, as old as their commit. Links were written as files with a path in them."""
    async with aclosing(git.tree()) as tree:
        links = [name async for mode, _, name in tree if mode == LINK]
    told = (await git.run("log", "-1", "--format=%H %ct", "FETCH_HEAD")).split()
    made_at = int(told[1])
    await asyncio.to_thread(_clean, git.folder, links, made_at)
    return Fetched(told[0].decode(), datetime.fromtimestamp(made_at, UTC).date())


def _clean(folder: Path, links: list[bytes], made_at: int) -> None:
    shutil.rmtree(folder / ".git")
    for name in links:
        folder.joinpath(*path_parts(os.fsdecode(name))).unlink(missing_ok=True)
    for path in folder.rglob("*"):
        os.utime(path, (time.time(), made_at), follow_symlinks=False)


class GitFailed(Exception):
    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Git:
    """Runs git in one folder, each time as a group of processes that ends with the call."""

    def __init__(self, folder: Path, pinned: str) -> None:
        self.folder = folder
        settings = SETTINGS | {"http.curloptResolve": pinned}
        self._settings = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    async def run(self, *words: str) -> bytes:
        """What it writes. Raises GitFailed."""
        async with self._started(words) as process:
            told, wrong = await process.communicate()
        if process.returncode:
            raise GitFailed(_reason(wrong))
        return told

    async def tree(self) -> AsyncGenerator[tuple[bytes, int, bytes], None]:
        """Mode, length in bytes and path of each file of what was fetched."""
        async with self._started(("ls-tree", "-r", "-l", "-z", "FETCH_HEAD")) as process:
            assert process.stdout
            with suppress(asyncio.IncompleteReadError):
                while line := await process.stdout.readuntil(b"\0"):
                    about, _, name = line[:-1].partition(b"\t")
                    mode, _, _, length = about.split()
                    yield mode, int(length) if length.isdigit() else 0, name

    @asynccontextmanager
    async def _started(self, words: tuple[str, ...]) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            "git",
            *self._settings,
            *words,
            cwd=self.folder,
            env=self._environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Read to their end, the pipes are closed too.
            await process.communicate()

    def _environment(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self.folder.parent),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "LC_ALL": "C",
        }


@asynccontextmanager
async def _bounded(folder: Path, most: int) -> AsyncIterator[None]:
    """Ends the block with TooLarge once a folder has grown too large."""
    task = asyncio.current_task()
    assert task
    grown = False

    async def watch() -> None:
        nonlocal grown
        while not grown:
            await asyncio.sleep(LOOK_SECONDS)
            grown = await asyncio.to_thread(_size, folder) > ROOMY * most
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        yield
    except asyncio.CancelledError:
        if not grown:
            raise
        task.uncancel()
        raise _too_large(most) from None
    finally:
        watching.cancel()


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the repository holds more than {most} bytes, the limit here")


def _size(folder: Path) -> int:
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                size += os.lstat(Path(root) / name).st_size
    return size


def _reason(wrong: bytes) -> str:
    """The last of its lines that says what is wrong, without the address."""
    lines = [line.strip() for line in wrong.decode(errors="replace").splitlines() if line.strip()]
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    found = (fatal or lines or ["git ended without saying why"])[-1]
    return re.sub(r"'?https://\S+'?:?\s*", "", found)[:200]
