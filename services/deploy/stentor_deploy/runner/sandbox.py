"""What keeps a model from others: layers that a process puts around itself, for good.

Each layer is tried; what cannot be had is told with its reason. On Linux none of them needs the superuser:

namespaces   no network, no shared memory of others, own mounts
mounts       /tmp and /dev/shm of its own; folders that its user could not enter hold what it needs, alone
limits       memory, processes, files
user         one that owns nothing; where the server is no superuser, its own without any privilege
landlock     files and folders that were named, no others; no signals to processes outside
seccomp      no system calls that a model does not need; no sockets, or to the network alone
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from typing import Any, NamedTuple

from stentor_deploy.runner import landlock, mounts, syscalls

LAYERS = ("namespaces", "mounts", "limits", "user", "landlock", "seccomp")

CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_CAPBSET_DROP = 1, 22, 24
PR_SET_SECUREBITS, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 28, 36, 38
SECCOMP_MODE_FILTER = 2
NO_ROOT_LOCKED = 0b1111
"""The superuser's number gives no privileges, and cannot get them back."""
LAST_CAPABILITY = 63
SIGKILL = 9


class Plan(NamedTuple):
    """What to put around a process, and what to start in it."""

    read: list[str]
    """Files and folders it may read and run."""
    write: list[str]
    """Folders and devices it may write to."""
    limits: dict[str, int]
    """Of `resource`, by names as `DATA`."""
    command: list[str] = []  # noqa: RUF012 - a tuple's default, which nobody changes
    environment: dict[str, str] = {}  # noqa: RUF012 - likewise
    network: bool = False
    uid: int | None = None
    """User and group to become, where this is the superuser."""
    shared_bytes: int = 64 * 1024 * 1024
    """Size of its own /tmp and of /dev/shm, each."""
    off: bool = False
    required: bool = False
    inner: bool = False
    """This process is inside such layers already: its files and calls are narrowed further."""
    keep_group: bool = True


class Report:
    """What could be applied."""

    def __init__(self) -> None:
        self.applied: list[str] = []
        self.missing: dict[str, str] = {}

    def note(self, layer: str, reason: str = "") -> None:
        if reason:
            self.missing[layer] = reason
        else:
            self.applied.append(layer)

    def as_dict(self) -> dict[str, Any]:
        return {"applied": self.applied, "missing": self.missing}


def enter(plan: Plan) -> dict[str, Any]:
    """Puts the layers around this process; says as `{"applied": [...], "missing": {layer: reason}}` which."""
    report = Report()
    if plan.off:
        report.missing = dict.fromkeys(LAYERS, "isolation is switched off")
        return report.as_dict()
    os.umask(0o077)
    if not sys.platform.startswith("linux"):
        _limit(plan.limits, report)
        for layer in LAYERS:
            if layer != "limits":
                report.note(layer, f"{platform.system()} has nothing of the kind that is used here")
        return report.as_dict()
    libc = ctypes.CDLL(None, use_errno=True)
    if not plan.inner:
        _own_namespaces(libc, plan, report)
    _limit(plan.limits, report)
    if not plan.inner:
        _become(libc, plan, report)
    # After the change of user, which would undo it.
    libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    report.note("landlock", landlock.restrict(libc, plan.read, plan.write, network=plan.network))
    report.note("seccomp", _filter(libc, plan))
    return report.as_dict()


def _error() -> str:
    return os.strerror(ctypes.get_errno()).lower()


def _own_namespaces(libc: ctypes.CDLL, plan: Plan, report: Report) -> None:
    user, group = os.geteuid(), os.getegid()
    wanted = CLONE_NEWNS | CLONE_NEWIPC | (0 if plan.network else CLONE_NEWNET)
    if user != 0 or libc.unshare(wanted) != 0:
        if libc.unshare(wanted | CLONE_NEWUSER) != 0:
            reason = f"the system refuses them: {_error()}"
            report.note("namespaces", reason)
            report.note("mounts", "they need namespaces")
            return
        _map(user, group)
    report.note("namespaces")
    needed = [*plan.read, *plan.write]
    report.note("mounts", mounts.make_own(libc, needed, size=plan.shared_bytes, open_up=plan.uid is not None))


def _map(user: int, group: int) -> None:
    """In its own namespace it is who it was."""
    texts = {"setgroups": "deny", "uid_map": f"{user} {user} 1", "gid_map": f"{group} {group} 1"}
    for name, text in texts.items():
        with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _limit(limits: dict[str, int], report: Report) -> None:
    refused = []
    for name, most in {**limits, "CORE": 0}.items():
        number = getattr(resource, f"RLIMIT_{name}", None)
        try:
            if number is not None:
                _, hard = resource.getrlimit(number)
                least = most if hard == resource.RLIM_INFINITY else min(most, hard)
                resource.setrlimit(number, (least, least))
        except (ValueError, OSError):
            refused.append(name.lower())
    report.note("limits", f"refused by the system: {', '.join(refused)}" if refused else "")


def _become(libc: ctypes.CDLL, plan: Plan, report: Report) -> None:
    """Another user where that is possible; without privileges in any case."""
    reason = ""
    if os.geteuid() == 0:
        reason = _change_user(plan) if plan.uid else "the server runs as the superuser, and no user was given"
    _drop_privileges(libc)
    report.note("user", reason)


def _change_user(plan: Plan) -> str:
    """Why it was not changed, or nothing."""
    assert plan.uid is not None
    there = [path for path in (*plan.read, *plan.write) if os.path.exists(path)]
    try:
        os.setgroups([])
        os.setegid(plan.uid)
        os.seteuid(plan.uid)
        closed = [path for path in there if not os.access(path, os.R_OK, effective_ids=True)]
        os.seteuid(0)
        os.setegid(0)
        if closed:
            return "files that it needs can be read by the superuser alone"
        os.setgid(plan.uid)
        os.setuid(plan.uid)
    except OSError as error:
        return f"the system refuses another user: {error.strerror}"
    return ""


def _drop_privileges(libc: ctypes.CDLL) -> None:
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_SET_SECUREBITS, NO_ROOT_LOCKED, 0, 0, 0)
    # Version 3 of the header, and two triples of effective, permitted and inheritable ones: none.
    libc.capset(struct.pack("Ii", 0x20080522, 0), bytes(24))


def _filter(libc: ctypes.CDLL, plan: Plan) -> str:
    try:
        program = syscalls.build(platform.machine(), network=plan.network, keep_group=plan.keep_group)
    except KeyError:
        return f"its filter is not known for {platform.machine()}"
    packed = ctypes.create_string_buffer(b"".join(each.pack() for each in program))
    head = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(packed))
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, head, 0, 0) != 0:
        return f"the system refuses it: {_error()}"
    return ""
