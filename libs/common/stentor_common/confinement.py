"""What a process that reads hostile files may still do: use what is open, and compute for a while."""

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Collection
from itertools import pairwise

MIB = 1024 * 1024
NOBODY = 65_534
LIBRARIES_MIB = 1024
"""Address space that libraries take beside the data."""

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
MOST_DESCRIPTORS = 1024 * 1024


def confine(keep: Collection[int], *, memory_mib: int, cpu_seconds: int) -> None:
    """Give up, for good, whatever this process does not need.

    Descriptors but `keep` and the standard ones are closed, and none can be opened any more: no file,
    no connection. No file grows, no memory image is left behind, no process or thread begins. Where the
    system knows such things the process also ends with its parent, and one of the superuser becomes nobody.
    Memory is only bounded where the system counts it (Linux does, macOS does not).
    """
    _close_all_but(keep)
    if os.geteuid() == 0:
        _become_nobody()
    if sys.platform == "linux":
        # After the change of user, which would undo it.
        _end_with_parent()
    data = memory_mib * MIB
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NOFILE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_CPU, cpu_seconds)
    _limit(resource.RLIMIT_DATA, data)
    _limit(resource.RLIMIT_AS, data + LIBRARIES_MIB * MIB)


def prepare_to_fork() -> None:
    """What was made so far is shared with the processes to come; looking for garbage in it would copy it."""
    gc.collect()
    gc.freeze()
    for name in (signal.SIGINT, signal.SIGTERM):
        # Of the terminal or the supervisor: whoever started this decides when it ends.
        signal.signal(name, signal.SIG_IGN)


def end_with_parent() -> None:
    """Where the system offers it. Elsewhere the closed socket tells."""
    if sys.platform == "linux":
        _end_with_parent()


def _close_all_but(keep: Collection[int]) -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = soft if 0 < soft < MOST_DESCRIPTORS else MOST_DESCRIPTORS
    edges = [2, *sorted(keep), last]
    for low, high in pairwise(edges):
        os.closerange(low + 1, high)


def _become_nobody() -> None:
    # A container may know no such user.
    with contextlib.suppress(OSError):
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _end_with_parent() -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _limit(name: int, most: int) -> None:
    _, hard = resource.getrlimit(name)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    # Some systems refuse limits that they do not count.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(name, (most, most))
