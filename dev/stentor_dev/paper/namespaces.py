"""Network namespaces of Linux: made, entered, and removed, those of runs that were killed too.

For root only, with iproute2 and nftables. This machine's own namespace gets no address, route or rule.
"""

import contextlib
import ctypes
import functools
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil

from stentor_dev.installation import NotInstalled, find_program, install_with_apt

T = TypeVar("T")
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
NAMED = Path("/run/netns")
FILES = Path("/etc/netns")
"""A file in a folder here with a namespace's name is in the place of that in /etc, for who is in it."""
NAME = re.compile(r"stentor-(\d+)-.*")
NETWORK_NAMESPACE = 0x40000000
"""CLONE_NEWNET."""


class CommandFailed(RuntimeError):
    """`ip` or `nft` did not do it; the text is what it says."""


@functools.cache
def missing() -> str:
    """Why there are no network namespaces for this program; empty if there are."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "network namespaces need Linux and root"
    try:
        remove_leftovers()
        name = new("trial")
        nft(name, "table ip trial {\n chain out {\n type nat hook output priority -100\n }\n}\n")
        remove(name)
    except NotInstalled as error:
        return str(error)
    except CommandFailed as error:
        return f"this machine gives no network namespaces: {error}"
    return ""


def ensure_installed() -> None:
    """Install what is missing, where that is for this program to do; without it tests do with loopback."""
    if sys.platform == "linux":
        for program, package in PACKAGES.items():
            if find_program(program) is None:
                install_with_apt(package)


def new(what: str) -> str:
    """The name of a fresh namespace of this process. Raises CommandFailed."""
    name = f"stentor-{os.getpid()}-{what}"
    _run(_find("ip"), "netns", "add", name)
    return name


def remove(name: str) -> None:
    _run(_find("ip"), "netns", "del", name)
    shutil.rmtree(FILES / name, ignore_errors=True)


def configure(name: str, *commands: str) -> None:
    """Commands of `ip` inside. Raises CommandFailed."""
    _run(_find("ip"), "-n", name, "-batch", "-", given="\n".join(commands) + "\n")


def nft(name: str, rules: str) -> None:
    """All of them, or none. Raises CommandFailed."""
    _run(*words_before(name), _find("nft"), "-f", "-", given=rules)


def words_before(name: str) -> list[str]:
    """What to put before a command that is to run inside."""
    return [_find("ip"), "netns", "exec", name]


def inside(name: str, do: Callable[[], T]) -> T:
    """What `do` returns, done by a thread in the namespace. Sockets made there stay there."""

    def entered() -> T:
        library = ctypes.CDLL(None, use_errno=True)
        with (NAMED / name).open() as file:
            if library.setns(file.fileno(), NETWORK_NAMESPACE):
                raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")
        return do()

    # A thread that ends, so that nothing else is ever done in there.
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(entered).result()


def socket_in(name: str, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    return inside(name, lambda: socket.socket(socket.AF_INET, kind))


def remove_leftovers() -> None:
    """Of programs that were killed before they could."""
    known = {path.name for folder in (NAMED, FILES) if folder.exists() for path in folder.iterdir()}
    for name in known:
        if (found := NAME.fullmatch(name)) and not psutil.pid_exists(int(found[1])):
            # Another run may be doing the same.
            with contextlib.suppress(CommandFailed):
                remove(name)
            shutil.rmtree(FILES / name, ignore_errors=True)


def _find(program: str) -> str:
    found = find_program(program)
    if found is None:
        raise NotInstalled(
            f"{program} is missing: `apt-get install -y {PACKAGES[program]}` on Debian or Ubuntu"
        )
    return str(found)


def _run(*words: str, given: str | None = None) -> None:
    done = subprocess.run(words, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CommandFailed(f"{' '.join(words)}: {done.stderr.strip()}\n{given or ''}".strip())
