"""Recorded telephone prompts with their texts, from a Debian package: one voice, 8 kHz.

By Allison Smith, CC BY-SA 3.0; fetched when a test or benchmark wants them, never part of the project.
"""

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("asterisk-core-sounds-en", "asterisk-core-sounds-en-wav")
SOUNDS = "usr/share/asterisk/sounds/en_US_f_Allison"
TEXTS = "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
LINE = re.compile(r"^([\w/-]+):\s*(.+)$")
NOT_SAID = re.compile(r"[\[(].*?[\])]|\.\.\.")
"""Remarks and pauses in the list of texts."""


class NoPrompts(RuntimeError):
    """This machine has no Debian packages; the text says so."""


def prompts(cache: Path, *, words: int, count: int) -> dict[Path, str]:
    """`count` recordings that say at least so many words, in the order of their names, and what they say."""
    folder = _fetched(cache / "prompts")
    found: dict[Path, str] = {}
    with gzip.open(folder / TEXTS, "rt", encoding="utf-8", errors="replace") as lines:
        for name, text in sorted(match.groups() for line in lines if (match := LINE.match(line))):
            recording = next(folder.glob(f"{SOUNDS}/{name}.wav"), None)
            if recording and len(text.split()) >= words and not NOT_SAID.search(text):
                found[recording] = text
    return dict(list(found.items())[:count])


def _fetched(folder: Path) -> Path:
    if (folder / TEXTS).is_file() and (folder / SOUNDS).is_dir():
        return folder
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise NoPrompts("the recorded prompts come as Debian packages, which this machine does not have")
    folder.mkdir(parents=True, exist_ok=True)
    # Fetching a package takes no rights; with some, its list is brought up to date first.
    if os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=False, capture_output=True)
    fetched = subprocess.run(["apt-get", "download", *PACKAGES], cwd=folder, check=False, capture_output=True)
    if fetched.returncode:
        raise NoPrompts(f"the recorded prompts could not be fetched: {fetched.stderr.decode()[-300:]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder
