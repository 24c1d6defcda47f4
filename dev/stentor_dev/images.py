"""What docker/Dockerfile does for an image, done in a folder: no container, no rights, any system.

The steps of all stages but the last are run, with `/source` and `/opt/stentor` moved into the folder; of the
last one the environment is taken. What only a system of its own can have is left out: packages of Debian, and
accounts.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MOVED = re.compile(r"(?<![\w/])/(?=(source|opt/stentor)\b)")
NOT_TOLD = ("STENTOR_", "PYTHON", "VIRTUAL_ENV")
"""Beginnings of variables of this machine that steps do not see; others say how packages are fetched here."""

Instruction = tuple[str, str]
"""Its name, and the rest of it on one line."""


class StepFailed(RuntimeError):
    """A step of the Dockerfile ended badly; the text has it and what it said."""


def stages(dockerfile: str) -> list[list[Instruction]]:
    """Instructions of each stage, after its FROM; those before the first are left out."""
    found: list[list[Instruction]] = []
    lines = [line for line in dockerfile.splitlines() if not line.startswith("#")]
    for line in filter(None, re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        elif found:
            found[-1].append((name, rest))
    return found


class Image:
    """An image's files and environment, in a folder that is new.

    `context` is the folder that COPY reads, and `arguments` are those of the build.
    """

    def __init__(self, folder: Path, context: Path, arguments: Mapping[str, str]) -> None:
        self._folder, self._context, self._arguments = folder, context, arguments
        *self._before, self._last = stages((context / "docker" / "Dockerfile").read_text())
        self._directory = folder

    def install(self, **over: str) -> None:
        """Do the steps; variables in `over` win over those of the Dockerfile. Raises StepFailed."""
        told = {name: value for name, value in os.environ.items() if not name.startswith(NOT_TOLD)}
        # `python` is the one that runs this.
        told["PATH"] = f"{Path(sys.executable).parent}:{told['PATH']}"
        for stage in self._before:
            arguments, variables = self._variables(stage)
            told |= variables
            for name, rest in stage:
                self._do(name, rest, {**told, **arguments, **over})

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the image finds in its environment."""
        _, variables = self._variables(self._last)
        return {name: self._here(value) for name, value in variables.items()}

    def _variables(self, stage: list[Instruction]) -> tuple[dict[str, str], dict[str, str]]:
        """Those of ARG, which end with their stage, and those of ENV."""
        arguments: dict[str, str] = {}
        variables: dict[str, str] = {}
        for name, rest in stage:
            for key, usual in _pairs(rest) if name in ("ARG", "ENV") else ():
                value = re.sub(r"\$\{(\w+)}", lambda found: arguments[found[1]], usual)
                if name == "ARG":
                    arguments[key] = self._arguments.get(key, value)
                else:
                    variables[key] = value
        return arguments, variables

    def _do(self, name: str, rest: str, told: Mapping[str, str]) -> None:
        if name == "WORKDIR":
            self._directory = Path(self._here(rest))
            self._directory.mkdir(parents=True)
        elif name == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(self._context / source, target)
        elif name == "RUN":
            self._run(self._here(re.sub(r"^(--\S+ +)+", "", rest)), told)
        elif name not in ("ARG", "ENV"):
            raise StepFailed(f"nobody has said how to do {name} {rest} in a folder")

    def _here(self, text: str) -> str:
        return MOVED.sub(f"{self._folder}/", text)

    def _copy(self, source: Path, target: str) -> None:
        to = self._directory / target
        if source.is_dir():
            shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)

    def _run(self, step: str, environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", step],
            cwd=self._directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StepFailed(f"{step}\n{done.stdout[-3000:]}")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for word in shlex.split(text):
        name, _, value = word.partition("=")
        yield name, value
