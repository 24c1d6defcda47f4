"""Becomes another program that dies with its parent: `python tether.py PARENT SIGNAL ACCOUNT PROGRAM ...`.

A separate start instead of code between fork and exec: the starter has threads, and Python run in a fork of
those may lock up. The file imports nothing of the package, so that any Python can run it without a path.
"""

import ctypes
import os
import pwd
import sys

SET_PARENT_DEATH_SIGNAL = 1


def become(account: int) -> None:
    try:
        group = pwd.getpwuid(account).pw_gid
    except KeyError:
        group = account
    os.setgroups([])
    os.setgid(group)
    os.setuid(account)


def die_with(parent: int, signal_number: int) -> None:
    # After the change of account, which makes the kernel forget this wish.
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal_number)
    if os.getppid() != parent:
        sys.exit("the parent ended before the program began")


def main(parent: str, signal_number: str, account: str, *program: str) -> None:
    if int(account) != os.geteuid():
        become(int(account))
    if sys.platform == "linux":
        die_with(int(parent), int(signal_number))
    os.execvp(program[0], program)  # noqa: S606 - the wanted program itself, no shell


if __name__ == "__main__":
    main(*sys.argv[1:])
