"""What packages say of libraries: lines of requirements files, as declared."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from stentor_deploy.errors import BadPackage, Unsupported
from stentor_deploy.packages import Note
from stentor_deploy.packages.landing import path_parts

CLIENTS = frozenset({"slashml", "truss", "baseten"})
"""Tools that made or sent the package. They find their way into its requirements, and clash with them."""

LARGEST = 1024**2
DEEPEST = 5
"""Files that name files."""
EXPORT_SECONDS = 60

COMMENT = re.compile(r"(^|\s)#.*$")
FILE_OPTION = re.compile(r"^(?:-r|--requirement)[ =]?(?P<path>.+)$")


def lines_of(given: Iterable[str] | str) -> tuple[str, ...]:
    """Requirements without comments and empty lines, in their order, each once."""
    text = given if isinstance(given, str) else "\n".join(given)
    joined = text.replace("\r\n", "\n").replace("\\\n", " ")
    lines = (" ".join(COMMENT.sub("", line).split()) for line in joined.splitlines())
    return tuple(dict.fromkeys(filter(None, lines)))


def read_file(root: Path, path: str) -> tuple[str, ...]:
    """Requirements of a file of the package: a requirements file with those it names, a `pyproject.toml`, or
    a `uv.lock`. Raises BadPackage."""
    name = path.rpartition("/")[2]
    file = root.joinpath(*path_parts(path))
    if not file.is_file():
        raise Unsupported("requirements_file", f"the package has no file {path!r}")
    if name == "uv.lock":
        return _locked(file)
    if name == "pyproject.toml":
        return _of_project(file)
    return tuple(dict.fromkeys(_read(root, file, DEEPEST)))


def without(lines: Iterable[str], names: Collection[str], why: str) -> tuple[tuple[str, ...], list[Note]]:
    """Lines without those of some distributions, and a note for each that was left out."""
    kept, notes = [], []
    for line in lines:
        name = name_of(line)
        if name in names:
            notes.append(Note(code="requirement_dropped", message=f"{line}: {why}"))
        else:
            kept.append(line)
    return tuple(kept), notes


def names_of(lines: Iterable[str]) -> set[str]:
    return {name for name in map(name_of, lines) if name}


def name_of(line: str) -> str | None:
    """Normalised name of the distribution that a line asks for; nothing if it asks otherwise."""
    try:
        return canonicalize_name(Requirement(line).name)
    except InvalidRequirement:
        return None


def _read(root: Path, file: Path, depth: int) -> Iterator[str]:
    if not depth:
        raise BadPackage(f"{file.name}: requirements files name each other too often")
    if file.stat().st_size > LARGEST:
        raise BadPackage(f"{file.name} is larger than {LARGEST} bytes")
    for line in lines_of(file.read_text("utf-8-sig", errors="replace")):
        found = FILE_OPTION.match(line)
        if not found:
            yield line
            continue
        parts = path_parts(shlex.split(found["path"])[0])
        named = file.parent.joinpath(*parts)
        if not named.is_file():
            raise BadPackage(f"{file.name} names {found['path']!r}, which is not in the package")
        yield from _read(root, named, depth - 1)


def _of_project(file: Path) -> tuple[str, ...]:
    if file.stat().st_size > LARGEST:
        raise BadPackage(f"{file.name} is larger than {LARGEST} bytes")
    try:
        project: Any = tomllib.loads(file.read_text("utf-8-sig")).get("project", {})
        found = project.get("dependencies", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise BadPackage(f"{file.name} cannot be read: {error}") from error
    if not isinstance(found, list):
        raise BadPackage(f"{file.name}: project.dependencies must be a list")
    return lines_of(map(str, found))


def _locked(file: Path) -> tuple[str, ...]:
    """What uv itself says that a lock file asks for; nothing is fetched or run for it."""
    if not (file.parent / "pyproject.toml").is_file():
        raise BadPackage("uv.lock needs its pyproject.toml beside it")
    try:
        from uv import find_uv_bin

        uv = find_uv_bin()
    except (ImportError, FileNotFoundError):
        raise Unsupported("requirements_file", "uv.lock needs uv, which is not installed here") from None
    wanted = "export --frozen --offline --no-dev --no-emit-project --no-hashes --no-header --no-annotate"
    try:
        done = subprocess.run(  # noqa: S603 - our own words only; the lock file is read as data
            [uv, *wanted.split(), "--no-python-downloads", "--no-cache"],
            cwd=file.parent,
            capture_output=True,
            text=True,
            timeout=EXPORT_SECONDS,
            check=False,
            env={"UV_NO_CONFIG": "1", "PATH": "/usr/bin:/bin"},
        )
    except subprocess.TimeoutExpired:
        raise BadPackage("uv.lock takes too long to read") from None
    if done.returncode:
        reason = done.stderr.strip().splitlines() or ["it cannot be read"]
        raise BadPackage(f"uv.lock: {reason[0]}")
    return lines_of(done.stdout)
