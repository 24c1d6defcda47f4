"""Environments by pip and venv, where there is no uv: slower, and blind to dates."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from stentor_deploy.environments import Tell
from stentor_deploy.environments.commands import run
from stentor_deploy.environments.indexes import Indexes
from stentor_deploy.environments.installers import InstallFailed
from stentor_deploy.environments.plan import Plan
from stentor_deploy.environments.pythons import Interpreter

PIP = (sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-input")

HERE = b'"$(dirname -- "$(realpath -- "$0")")"'
"""Where a script lies, to the shell."""
SHORT = (
    b"""#!/bin/sh
'''exec' %b/python "$0" "$@"
' '''"""
    % HERE
)
"""How a script begins that finds the interpreter beside itself: a command to the shell, a text to Python."""


@dataclass(frozen=True, slots=True)
class Pip:
    """The pip beside Stentor, made to work for other interpreters."""

    folder: Path
    indexes: Indexes
    allow_sources: bool = False

    async def resolve(self, plan: Plan, interpreter: Interpreter, tell: Tell) -> list[str]:
        if plan.before:
            tell("versions of today are taken: only uv can choose those of a day")
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            asked, constraints, answer = (
                Path(place, name) for name in ("asked.txt", "constraints", "report")
            )
            asked.write_text("\n".join(plan.requirements))
            constraints.write_text("\n".join((*plan.constraints, *plan.own_builds)))
            await self._run(
                *(
                    *PIP,
                    "--python",
                    interpreter.path,
                    "install",
                    "--dry-run",
                    "--ignore-installed",
                    "--report",
                    answer,
                ),
                *("-r", asked, "-c", constraints, *self._options),
                tell=tell,
            )
            report = json.loads(answer.read_text())
        return [_line(found) for found in report["install"]]

    async def install(self, lines: Sequence[str], interpreter: Interpreter, into: Path, tell: Tell) -> None:
        await self._run(interpreter.path, "-I", "-m", "venv", "--without-pip", into, tell=tell)
        if not lines:
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            lock = Path(place, "lock.txt")
            lock.write_text("\n".join(lines))
            await self._run(
                *(
                    *PIP,
                    "--python",
                    into / "bin" / "python",
                    "install",
                    "--no-deps",
                    "--no-compile",
                    "-r",
                    lock,
                ),
                *self._options,
                tell=tell,
            )
        await asyncio.to_thread(_relocate, into / "bin")

    async def forget(self) -> None:
        await self._run(*PIP, "cache", "purge", "--cache-dir", self._cache, tell=_unheard)

    @property
    def _cache(self) -> Path:
        return self.folder / "cache-pip"

    @property
    def _options(self) -> list[str | Path]:
        return [
            *self.indexes.options,
            *("--cache-dir", self._cache, "--progress-bar", "off", "--retries", "2"),
            *(["--cert", self.indexes.certificate] if self.indexes.certificate else []),
            *(word for host in self.indexes.insecure_hosts for word in ("--trusted-host", host)),
            *([] if self.allow_sources else ["--only-binary", ":all:"]),
        ]

    async def _run(self, *command: str | Path, tell: Tell) -> None:
        said = await run(command, tell=tell, folder=self.folder)
        if said.status:
            raise InstallFailed(said.text)


def _line(found: dict[str, dict[str, str]]) -> str:
    """Of the installation report, https://pip.pypa.io/en/stable/reference/installation-report/."""
    name, version = canonicalize_name(found["metadata"]["name"]), found["metadata"]["version"]
    if found.get("is_direct"):
        return f"{name} @ {found['download_info']['url']}"
    return f"{name}=={version}"


def _relocate(scripts: Path) -> None:
    """The environment is going to be renamed."""
    for script in scripts.iterdir():
        if script.is_symlink() or not script.is_file():
            continue
        # The second is how pip begins scripts whose path is too long for a first line.
        text = script.read_bytes()
        moved = text.replace(b"#!%b/python" % bytes(scripts), SHORT, 1)
        moved = moved.replace(b"'''exec' %b/" % bytes(scripts), b"'''exec' %b/" % HERE, 1)
        if moved != text:
            script.write_bytes(moved)


def _unheard(_line: str) -> None:
    """Nobody reads what is cleared away."""
