"""The product as it was: the code of the version before, from the history of this repository.

`previous` in `pyproject.toml`, below `[tool.stentor]`, names it.
"""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".cache" / "releases"
PARTS = ("libs", "services", "alembic")


class NotInHistory(RuntimeError):
    """The commit is not here, as in a shallow clone; the text says what brings it."""


@dataclass(frozen=True, slots=True)
class Release:
    """Its code, in folders laid out as those of the repository."""

    folder: Path

    @property
    def packages(self) -> list[Path]:
        """Folders that its packages are in."""
        return [self.folder / "libs" / "common", *sorted((self.folder / "services").iterdir())]

    def argv(self, words: Sequence[str]) -> list[str]:
        """These words of a command line, run with its code in place of what is installed."""
        return ["/usr/bin/env", f"PYTHONPATH={os.pathsep.join(map(str, self.packages))}", *words]


def previous() -> Release:
    """The version from which one must be able to upgrade without a stop. Raises NotInHistory."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["stentor"]
    return release(settings["previous"])


def release(commit: str) -> Release:
    """The code of a commit or tag, unpacked once. Raises NotInHistory."""
    full = _git("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()
    folder = KEPT / full
    if not folder.exists():
        _unpack(_git("archive", full, *PARTS), folder)
    return Release(folder)


def _unpack(archive: bytes, folder: Path) -> None:
    KEPT.mkdir(parents=True, exist_ok=True)
    # Others may be doing the same: whoever is first has done it.
    made = Path(tempfile.mkdtemp(dir=KEPT))
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as packed:
            packed.extractall(made, filter="data")
        made.rename(folder)
    except OSError:
        shutil.rmtree(made, ignore_errors=True)
        if not folder.exists():
            raise


def _git(*words: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInHistory(
            "the version before is not in the history that is here; `git fetch --unshallow` brings it"
        ) from error
