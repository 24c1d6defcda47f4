"""Mounts of a process's own: /tmp and /dev/shm that no other sees, and ways to what it needs."""

from __future__ import annotations

import ctypes
import os

MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18


def make_own(libc: ctypes.CDLL, needed: list[str], *, size: int, open_up: bool) -> str:
    """Returns why it could not be done, or nothing. `size` is of each memory file system, in bytes.

    With `open_up` folders on the way to what is needed that not everybody may enter are covered by ones
    that anybody may, and that hold what is needed and nothing else: so a user who owns nothing reaches an
    interpreter in the superuser's home.
    """
    if _mount(libc, "none", "/", None, MS_REC | MS_PRIVATE):
        return f"the system refuses them: {os.strerror(ctypes.get_errno()).lower()}"
    covered = [folder for folder in ("/dev/shm", "/tmp") if os.path.isdir(folder)]  # noqa: S108 - made private
    for folder in [*covered, *(_closed(needed) if open_up else ())]:
        reason = _cover(libc, folder, needed, size)
        if reason:
            return reason
    return ""


def _closed(needed: list[str]) -> list[str]:
    """The first folder on the way to each that others may not enter."""
    found: dict[str, None] = {}
    for path in needed:
        parts = os.path.realpath(path).split("/")
        for count in range(2, len(parts)):
            folder = "/".join(parts[:count])
            try:
                if not os.stat(folder).st_mode & 0o001:
                    found[folder] = None
                    break
            except OSError:
                break
    return list(found)


def _cover(libc: ctypes.CDLL, folder: str, needed: list[str], size: int) -> str:
    beneath = [path for path in map(os.path.realpath, needed) if path.startswith(folder + "/")]
    # The shortest first: what lies in one that is bound already comes with it.
    kept: dict[str, int] = {}
    for path in sorted(beneath, key=len):
        if os.path.exists(path) and not any(path.startswith(other + "/") for other in kept):
            kept[path] = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        mode = "1777" if folder in ("/tmp", "/dev/shm") else "0755"  # noqa: S108 - as mounted here
        if _mount(libc, "tmpfs", folder, f"size={size},mode={mode}", MS_NOSUID | MS_NODEV):
            return f"the system refuses {folder}: {os.strerror(ctypes.get_errno()).lower()}"
        for path, opened in kept.items():
            os.umask(0o022)
            if os.path.isdir(f"/proc/self/fd/{opened}"):
                os.makedirs(path, exist_ok=True)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb"):
                    pass
            os.umask(0o077)
            if _mount(libc, f"/proc/self/fd/{opened}", path, None, MS_BIND | MS_REC):
                return f"the system refuses to show {path}: {os.strerror(ctypes.get_errno()).lower()}"
    finally:
        for opened in kept.values():
            os.close(opened)
    return ""


def _mount(libc: ctypes.CDLL, source: str, target: str, data: str | None, flags: int) -> int:
    kind = b"tmpfs" if source == "tmpfs" else None
    packed = data.encode() if data else None
    done: int = libc.mount(source.encode(), target.encode(), kind, ctypes.c_ulong(flags), packed)
    return done
