"""The interpreters that environments are made with."""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stentor_deploy.environments import Wanted
from stentor_deploy.environments.commands import asked
from stentor_deploy.errors import BuildFailed
from stentor_deploy.packages import Note

OLDEST = (3, 8)
"""What models are run by knows no older ones."""

ASK = """
import json, os, platform, sys, sysconfig
system = [sys.implementation.name, sysconfig.get_platform(), platform.libc_ver()[0]]
print(json.dumps({
    "path": os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable),
    "version": list(sys.version_info[:2]),
    "platform": "-".join(filter(None, system)),
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    path: Path
    """Of the installation itself, no environment and no link."""
    version: tuple[int, int]
    platform: str
    """`cpython-linux-x86_64-glibc`"""

    @property
    def python(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


async def found_interpreters(paths: Iterable[Path]) -> tuple[Interpreter, ...]:
    """Those that answer, one of each version, and first the one that runs this."""
    inspected = [await _inspected(path) for path in (Path(sys.executable), *paths)]
    found: dict[tuple[int, int], Interpreter] = {}
    for interpreter in inspected:
        if interpreter and interpreter.version >= OLDEST:
            found.setdefault(interpreter.version, interpreter)
    return tuple(found.values())


def choices(wanted: Wanted, available: Sequence[Interpreter]) -> list[tuple[Interpreter, tuple[Note, ...]]]:
    """Interpreters to be tried in turn, each with what is to be told of it.

    First the version that is asked for, else the nearest newer one, else the newest; the first of those
    available where nothing is asked. Others follow where none is asked for or there is no such one, since
    old libraries may be had for old interpreters only. Raises BuildFailed where only the very version would
    do, and for what is no version.
    """
    if not wanted.python:
        first, *others = available
        text = "nothing fits Python {}; it gets {}"
        return [(first, ()), *((other, _told(text, first.python, other)) for other in others)]
    version = _version(wanted.python)
    exact = [interpreter for interpreter in available if interpreter.version == version]
    if exact:
        return [(exact[0], ())]
    here = ", ".join(interpreter.python for interpreter in sorted(available, key=_by_version))
    if version is None or not (3, 0) <= version < (4, 0):
        raise BuildFailed(f"Python {wanted.python[:20]!r} is none that is known; here there is {here}")
    if wanted.strict_python:
        raise BuildFailed(
            f"the package insists on Python {wanted.python}, and here there is {here}: have it added to the "
            "server's settings (STENTOR_DEPLOY_PYTHON), or leave strict_python out"
        )
    newer = sorted((one for one in available if one.version > version), key=_by_version)
    older = sorted((one for one in available if one.version < version), key=_by_version, reverse=True)
    text = "the package asks for Python {}, which is not here; it gets {}"
    return [(one, _told(text, wanted.python, one)) for one in (*newer, *older)]


def _by_version(interpreter: Interpreter) -> tuple[int, int]:
    return interpreter.version


def _told(text: str, asked: str, given: Interpreter) -> tuple[Note, ...]:
    return (Note(code="other_python", message=text.format(asked, given.python)),)


async def _inspected(path: Path) -> Interpreter | None:
    said = await asked(path, "-I", "-S", "-c", ASK)
    if said is None:
        return None
    try:
        told = json.loads(said)
    except ValueError:
        return None
    return Interpreter(Path(told["path"]), (told["version"][0], told["version"][1]), told["platform"])


def _version(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})(\.\w+)?", text.strip())
    return (int(found[1]), int(found[2])) if found else None
