"""Bytecode of what models import, written by us: models cannot write into their environment.

What was compiled for one environment is linked into the next one that has the very same files, which is why
the second model with a large library starts as fast as if it had been there for long.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from stentor_deploy.environments.commands import run
from stentor_deploy.environments.pythons import Interpreter

PROGRAM = Path(__file__).with_name("compiling.py")
MOST_PROCESSES = 4
MOST_FILES = 10_000
SHARED_FROM = 8
"""Environments that are looked at for what they share with a new one."""


class Bytecode:
    """`records` is a folder for lists of the files that were compiled by us. Bytecode that a package brings
    is not on them: it may be anything, and stays with who asked for that package."""

    def __init__(self, records: Path) -> None:
        self._records = records

    async def compile(self, place: Path, modules: Collection[str], interpreter: Interpreter) -> int:
        """Compile those of the modules that lie in an environment and are not compiled. The names come from
        a model, and may be anything. Returns how many were compiled."""
        files = await asyncio.to_thread(_sources, place, modules)
        processes = min(MOST_PROCESSES, os.cpu_count() or 1, len(files))
        shares = [files[first::processes] for first in range(processes)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_compiled(share, interpreter, place)) for share in shares]
        compiled = [path for task in tasks for path in task.result()]
        if compiled:
            await asyncio.to_thread(self._note, place.name, compiled)
        return len(compiled)

    def share(self, making: Path, others: Iterable[Path], interpreter: Interpreter) -> int:
        """Link what was compiled for other environments of this interpreter into a new one, wherever the
        source is the same file. Returns how many were linked. Blocking."""
        pairs = ((other, source) for other in others for source in self._noted(other.name))
        return sum(_linked(other / source, making / source, interpreter) for other, source in pairs)

    def forget(self, key: str) -> None:
        self._record(key).unlink(missing_ok=True)

    def _note(self, key: str, compiled: Iterable[str]) -> None:
        listed = sorted({*self._noted(key), *compiled})
        self._records.mkdir(parents=True, exist_ok=True)
        part = self._record(key).with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(listed))
        part.rename(self._record(key))

    def _noted(self, key: str) -> list[str]:
        try:
            return [str(path) for path in json.loads(self._record(key).read_text())]
        except (OSError, ValueError):
            return []

    def _record(self, key: str) -> Path:
        return self._records / f"{key}.json"


async def _compiled(files: list[str], interpreter: Interpreter, place: Path) -> list[str]:
    """Those of the files, relative to the environment, that were compiled."""
    # Isolated and without `site`: nothing of an environment runs, not even its `.pth` files.
    numbers: list[str] = []
    said = await run((interpreter.path, "-I", "-S", PROGRAM, *files), tell=numbers.append, folder=place)
    # What does not compile is compiled again, and told, when it is imported.
    return [files[int(number)] for number in numbers] if said.status == 0 else []


def _sources(place: Path, modules: Collection[str]) -> list[str]:
    roots = [path for path in place.glob("lib/python*/site-packages") if path.is_dir()]
    found = (path for name in modules for root in roots for path in _places(root, name))
    return sorted({str(path.relative_to(place)) for path in found})[:MOST_FILES]


def _places(root: Path, module: str) -> Iterator[Path]:
    parts = module.split(".")
    if all(part.isidentifier() for part in parts):
        for path in (root.joinpath(*parts).with_suffix(".py"), root.joinpath(*parts, "__init__.py")):
            if path.is_file():
                yield path


def _linked(ours: Path, theirs: Path, interpreter: Interpreter) -> bool:
    """Whether the bytecode of one file became that of the other."""
    with contextlib.suppress(OSError):
        if ours.samefile(theirs):
            compiled = _compiled_place(theirs, interpreter)
            compiled.parent.mkdir(exist_ok=True)
            compiled.hardlink_to(_compiled_place(ours, interpreter))
            return True
    return False


def _compiled_place(source: Path, interpreter: Interpreter) -> Path:
    """As PEP 3147 has it."""
    major, minor = interpreter.version
    return source.parent / "__pycache__" / f"{source.stem}.cpython-{major}{minor}.pyc"
