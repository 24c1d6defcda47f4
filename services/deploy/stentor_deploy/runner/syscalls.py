"""Numbers of system calls, and the filter over them."""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ARCHITECTURES = {"x86_64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}

NUMBERS = {
    # Name: x86-64, 64-bit ARM; None where there is none.
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "setfsgid": (123, 152),
    "setfsuid": (122, 151),
    "setgid": (106, 144),
    "setgroups": (116, 159),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setregid": (114, 143),
    "setresgid": (119, 149),
    "setresuid": (117, 147),
    "setreuid": (113, 145),
    "settimeofday": (164, 170),
    "setuid": (105, 146),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""What no model needs, and what has helped to break out of such walls."""

SOCKET = (41, 198)
CLONE = (56, 220)
CLONE3 = (435, 435)
GROUPS = {"setsid": (112, 157), "setpgid": (109, 154)}

NEW_NAMESPACES = 0x7E020000
"""Flags of clone that make namespaces: mount, cgroup, uts, ipc, user, pid, net."""

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000
_X32 = 0x40000000


class Instruction(NamedTuple):
    """Of the kernel's packet filter."""

    code: int
    yes: int
    no: int
    value: int

    def pack(self) -> bytes:
        return struct.pack("HBBI", *self)


def _refuse(number: int, error: int) -> list[Instruction]:
    return [Instruction(_EQUAL, 0, 1, number), Instruction(_RETURN, 0, 0, _ERROR | error)]


def build(machine: str, *, network: bool, keep_group: bool) -> list[Instruction]:
    """Allows all but the above; sockets only to the network, and that only with `network`: never to other
    programs of this machine. With `keep_group` leaving the process group seems to work and does not, so
    that all processes can be ended together. Raises KeyError for a machine that is not known."""
    architecture = ARCHITECTURES[machine]
    column = 0 if architecture == X86_64 else 1
    program = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        Instruction(_EQUAL, 1, 0, architecture),
        Instruction(_RETURN, 0, 0, _KILL),
        Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if architecture == X86_64:
        program += [Instruction(_AT_LEAST, 0, 1, _X32), Instruction(_RETURN, 0, 0, _ERROR | errno.ENOSYS)]
    for numbers in NUMBERS.values():
        number = numbers[column]
        if number is not None:
            program += _refuse(number, errno.EPERM)
    # Without it the C library uses clone, whose flags can be seen here.
    program += _refuse(CLONE3[column], errno.ENOSYS)
    if keep_group:
        for pair in GROUPS.values():
            program += _refuse(pair[column], 0)
    program += _of_argument(
        CLONE[column],
        [
            Instruction(_ANY_BIT, 0, 1, NEW_NAMESPACES),
            Instruction(_RETURN, 0, 0, _ERROR | errno.EPERM),
            Instruction(_RETURN, 0, 0, _ALLOW),
        ],
    )
    program += _of_argument(SOCKET[column], _families(network))
    return [*program, Instruction(_RETURN, 0, 0, _ALLOW)]


def _of_argument(number: int, rest: list[Instruction]) -> list[Instruction]:
    """`rest` looks at the first argument of one call, and decides."""
    load = Instruction(_LOAD, 0, 0, _FIRST_ARGUMENT)
    return [Instruction(_EQUAL, 0, len(rest) + 1, number), load, *rest]


def _families(network: bool) -> list[Instruction]:
    refused = Instruction(_RETURN, 0, 0, _ERROR | errno.EACCES)
    if not network:
        return [refused]
    found: list[Instruction] = []
    for family in (AF_INET, AF_INET6, AF_NETLINK):
        found += [Instruction(_EQUAL, 0, 1, family), Instruction(_RETURN, 0, 0, _ALLOW)]
    return [*found, refused]
