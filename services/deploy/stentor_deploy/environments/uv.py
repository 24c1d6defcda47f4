"""Environments by uv, which resolves and installs within a second what it has seen before."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stentor_deploy.environments import Tell
from stentor_deploy.environments.commands import Said, run
from stentor_deploy.environments.indexes import Indexes
from stentor_deploy.environments.installers import InstallFailed
from stentor_deploy.environments.plan import Plan
from stentor_deploy.environments.pythons import Interpreter

UNDATED = "is missing an upload date"


@dataclass(frozen=True, slots=True)
class Uv:
    """`folder` has its cache, on the file system of the environments: files are shared by links."""

    program: Path
    folder: Path
    indexes: Indexes
    allow_sources: bool = False

    async def resolve(self, plan: Plan, interpreter: Interpreter, tell: Tell) -> list[str]:
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            asked, constraints, answer = (Path(place, name) for name in ("asked.in", "constraints", "lock"))
            asked.write_text("\n".join(plan.requirements))
            constraints.write_text("\n".join((*plan.constraints, *plan.own_builds)))
            dated = ["--exclude-newer", str(plan.before)] if plan.before else []
            await self._run(
                *("pip", "compile", asked, "--output-file", answer, "--constraints", constraints),
                *("--python", interpreter.path, "--no-header", "--no-annotate", "--no-sources"),
                *dated,
                *self._options,
                tell=tell,
            )
            lines = answer.read_text().splitlines()
        return [line for line in lines if line and not line.startswith(("#", "-"))]

    async def install(self, lines: Sequence[str], interpreter: Interpreter, into: Path, tell: Tell) -> None:
        await self._run(
            "venv", into, "--python", interpreter.path, "--relocatable", "--no-project", "--quiet", tell=tell
        )
        if not lines:
            return
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            lock = Path(place, "lock.txt")
            lock.write_text("\n".join(lines))
            await self._run(
                *("pip", "install", "--python", into, "--no-deps", "--no-sources", "-r", lock),
                *self._options,
                tell=tell,
            )

    async def forget(self) -> None:
        await self._run("cache", "prune", "--ci", "--quiet", tell=_unheard)

    @property
    def _options(self) -> list[str]:
        """Indexes are equals, as they are for pip: a configuration made for pip means the same here."""
        return [
            *self.indexes.options,
            *("--index-strategy", "unsafe-best-match"),
            *(word for host in self.indexes.insecure_hosts for word in ("--allow-insecure-host", host)),
            *([] if self.allow_sources else ["--only-binary", ":all:"]),
        ]

    async def _run(self, *words: str | Path, tell: Tell) -> Said:
        variables = {
            "UV_CACHE_DIR": str(self.folder / "cache"),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_PROGRESS": "1",
            "NO_COLOR": "1",
        }
        if self.indexes.certificate:
            variables["SSL_CERT_FILE"] = self.indexes.certificate
        hearing = _Hearing(tell)
        said = await run((self.program, *words), tell=hearing, folder=self.folder, variables=variables)
        hearing.end()
        if said.status:
            raise InstallFailed(said.text)
        return said


class _Hearing:
    """Tells all but the same warning for each of hundreds of files."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._undated = 0

    def __call__(self, line: str) -> None:
        if UNDATED in line:
            self._undated += 1
        else:
            self._tell(line)

    def end(self) -> None:
        if self._undated:
            self._tell(f"{self._undated} files were left out because the index does not say when they came")


def _unheard(_line: str) -> None:
    """Nobody reads what is cleared away."""
