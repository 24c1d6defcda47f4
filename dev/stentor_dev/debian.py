"""Recordings that come as Debian packages: fetched when a test or benchmark wants them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


class NoPackages(RuntimeError):
    """This machine cannot have Debian packages; the text says why."""


def unpacked(folder: Path, packages: Sequence[str]) -> Path:
    """The folder with the packages' files in it, fetched the first time. Raises NoPackages."""
    note = folder / ".unpacked"
    if note.is_file() and note.read_text().split() == list(packages):
        return folder
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPackages("the recordings come as Debian packages, which this machine does not have")
    folder.mkdir(parents=True, exist_ok=True)
    # Fetching a package takes no rights; with some, the list of packages is brought up to date first.
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    fetched = subprocess.run(["apt-get", "download", *packages], cwd=folder, check=False, capture_output=True)
    if fetched.returncode:
        raise NoPackages(f"the recordings could not be fetched: {fetched.stderr.decode()[-300:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        package.unlink()
    note.write_text("\n".join(packages))
    return folder
