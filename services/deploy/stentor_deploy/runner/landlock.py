"""Landlock: a Linux process gives up all files but those that it names. See landlock(7)."""

from __future__ import annotations

import ctypes
import os
import struct

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
TCP = 0b11
"""Bind and connect."""
SCOPES = 0b11
"""Abstract sockets, and signals."""


def _rights(version: int) -> int:
    rights = (1 << 13) - 1
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        rights |= (1 << bit) if version >= since else 0
    return rights


def restrict(libc: ctypes.CDLL, read: list[str], write: list[str], *, network: bool) -> str:
    """For this process and all it starts. Returns why it could not be done, or nothing. Names that do not
    exist are left out."""
    version = libc.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return "the kernel has none (Linux 5.13 and newer can)"
    rights = _rights(version)
    attributes = struct.pack(
        "QQQ", rights, TCP if version >= 4 and not network else 0, SCOPES if version >= 6 else 0
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE_RULESET, attributes, ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return f"the kernel refuses it: {os.strerror(ctypes.get_errno()).lower()}"
    try:
        for paths, wanted in ((read, READ), (write, rights)):
            for path in paths:
                _allow(libc, ruleset, path, wanted & rights)
        if libc.syscall(RESTRICT_SELF, ruleset, 0) != 0:
            return f"the kernel refuses it: {os.strerror(ctypes.get_errno()).lower()}"
    finally:
        os.close(ruleset)
    return ""


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, wanted: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            wanted &= OF_FILES
        rule = struct.pack("=Qi", wanted, opened)
        # A rule that is refused opens nothing.
        libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(opened)
