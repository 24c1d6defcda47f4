"""What to do about a server program that the machine does not have."""

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

# Where packages put servers that are not on the path of an ordinary user, or of a non-login shell on macOS.
FOLDERS = ("/usr/sbin", "/opt/homebrew/bin", "/opt/homebrew/sbin", "/usr/local/bin", "/usr/local/sbin")


class NotInstalled(RuntimeError):
    """A server program is missing; the text says which command brings it."""


def find_program(name: str, first: Iterable[str] = ()) -> Path | None:
    found = shutil.which(name, path=os.pathsep.join([*first, os.environ.get("PATH", ""), *FOLDERS]))
    return Path(found) if found else None


def install_with_apt(package: str) -> bool:
    """Install a Debian package; False where that is not for this program to do (not root, or no apt)."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return False
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        subprocess.run([apt, *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    return True
