"""Where files of a hostile archive land: in one folder, under plain names, no more of them than allowed."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import BinaryIO

from stentor_common.errors import TooLarge, Unavailable
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.rules import Rules

PIECE = 256 * 1024
LONGEST_PATH = 1024
LONGEST_NAME = 255
DEEPEST = 40
JUDGED_FROM = 64 * 1024**2
"""Bytes from which on the ratio of an archive is looked at: small files may be as empty as they like."""

LEFT_OUT = frozenset({"__pycache__", "__MACOSX", ".DS_Store", ".git", ".ipynb_checkpoints"})
"""What systems and tools leave behind, and no model needs."""


class Landing:
    """Takes the files of one archive into an empty folder and keeps count. Every method raises BadPackage
    for what must not be there, and TooLarge for what is too much."""

    def __init__(self, folder: Path, rules: Rules, packed_bytes: int) -> None:
        self._folder = folder
        self._rules = rules
        self._packed = packed_bytes
        self._members = 0
        self._bytes = 0

    def place(self, name: str) -> str | None:
        """Path of a member within the folder, by what the archive calls it; nothing if it is left out."""
        self._members += 1
        if self._members > 2 * self._rules.max_files:
            # Folders and what is left out count here too: reading through them takes time.
            raise self._too_many()
        parts = path_parts(name)
        return None if not parts or any(map(_left_out, parts)) else "/".join(parts)

    def folder(self, path: str) -> None:
        try:
            (self._folder / path).mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise BadPackage(f"{path!r} is in the archive as a file and as a folder") from None

    def file(self, path: str, content: BinaryIO, *, executable: bool = False) -> None:
        """Write what can be read from `content`, never more than is left of the limits."""
        target = self._folder / path
        self.folder(str(Path(path).parent))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            opened = os.open(target, flags, 0o755 if executable else 0o644)
        except FileExistsError:
            raise BadPackage(f"{path!r} is in the archive twice") from None
        except OSError as error:
            raise BadPackage(f"{path!r} cannot be written: {error.strerror}") from None
        with os.fdopen(opened, "wb") as file:
            while piece := content.read(PIECE):
                self.count(len(piece))
                try:
                    file.write(piece)
                except OSError as error:
                    raise Unavailable(f"the package cannot be unpacked here: {error.strerror}") from error

    def count(self, size: int) -> None:
        """Take notice of bytes that were unpacked, wherever they go."""
        self._bytes += size
        self.check(self._bytes)

    def check(self, size: int) -> None:
        """Whether an archive may become so many bytes."""
        if size > self._rules.max_unpacked_bytes:
            raise TooLarge(
                f"the package holds more than {self._rules.max_unpacked_bytes} bytes when it is unpacked, "
                "the limit here"
            )
        if size > JUDGED_FROM and size > self._rules.max_ratio * self._packed:
            raise TooLarge(
                f"the archive becomes more than {self._rules.max_ratio} times as large; pack it anew"
            )

    def _too_many(self) -> TooLarge:
        return TooLarge(f"the package holds more than {self._rules.max_files} files, the limit here")

    def ended(self) -> None:
        """Call once all is there."""
        files = sum(len(names) for _, _, names in os.walk(self._folder))
        if files > self._rules.max_files:
            raise self._too_many()
        if not files:
            raise BadPackage("the archive holds no files")


def path_parts(name: str) -> list[str]:
    """The parts of a relative path as archives and requests spell it. Raises BadPackage for one that leads
    out of its folder, and for names that no file should have."""
    if name.startswith(("/", "\\")) or name[1:2] == ":":
        raise BadPackage(f"{name!r} is an absolute path; pack the folder with relative ones")
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadPackage(f"{name!r} leads out of the package")
    if len(parts) > DEEPEST:
        raise BadPackage(f"{name[:80]!r}... lies more than {DEEPEST} folders deep")
    if len(name) > LONGEST_PATH:
        raise BadPackage(f"{name[:80]!r}... is longer than {LONGEST_PATH} characters")
    for part in parts:
        _check_name(part)
    return parts


def _check_name(part: str) -> None:
    try:
        size = len(part.encode())
    except UnicodeEncodeError:
        raise BadPackage(f"the name {part!a} is not in UTF-8; rename it, or pack it as a zip") from None
    if any(unicodedata.category(sign) == "Cc" for sign in part):
        raise BadPackage(f"the name {part!a} holds control characters")
    if size > LONGEST_NAME:
        raise BadPackage(f"the name {part[:80]!r}... is longer than {LONGEST_NAME} bytes")


def _left_out(part: str) -> bool:
    return part in LEFT_OUT or part.startswith("._") or part.endswith(".pyc")


def lift(folder: Path, inner: Path) -> None:
    """Make what is in a folder's only folder its own content."""
    # Its name may be that of something within it.
    aside = folder.with_name(f"{folder.name}.lifted")
    inner.rename(aside)
    shutil.rmtree(folder)
    aside.rename(folder)
