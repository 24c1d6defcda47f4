"""Zip archives: nothing believed of what their directory says of sizes."""

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO, cast

from stentor_common.errors import TooLarge
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.landing import Landing
from stentor_deploy.packages.rules import Rules

END = b"PK\x05\x06"
END_64 = b"PK\x06\x06"
END_BYTES = 22
LONGEST_COMMENT = 2**16
FAR = 0xFFFFFFFF
"""Stands for a size that is told in the record for large archives."""

ENTRY_BYTES = 512
"""Of the directory, for each file, on average at most: a path of several hundred letters."""

UTF_8 = 0x800
"""Flag: the name is in UTF-8."""
ENCRYPTED = 0x1

UNKNOWN = date(1980, 1, 1)
"""The first day that the format knows; what tools write that have none."""

BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    EOFError,
    zlib.error,
    struct.error,
    ValueError,
    RuntimeError,
    OSError,
)


def is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", END)


def unpack_zip(source: Path, landing: Landing, rules: Rules) -> Iterator[date]:
    """Gives the day of each file, once it is there."""
    try:
        _check_directory(source, rules)
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                day = _take(archive, member, landing)
                if day:
                    yield day
    except BROKEN as error:
        raise BadPackage(f"the archive is damaged: {error}") from error


def names(source: Path, rules: Rules) -> list[str]:
    """What a zip holds, without unpacking it. Raises BadPackage if it is none."""
    try:
        _check_directory(source, rules)
        with zipfile.ZipFile(source) as archive:
            return archive.namelist()
    except BROKEN as error:
        raise BadPackage(f"the archive is damaged: {error}") from error


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, landing: Landing) -> date | None:
    path = landing.place(_name(member))
    if path is None:
        return None
    if member.is_dir():
        landing.folder(path)
        return None
    if member.flag_bits & ENCRYPTED:
        raise BadPackage(f"{path!r} is encrypted; pack it without a password")
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise BadPackage(f"{path!r} is a link; pack the file itself")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise BadPackage(f"{path!r} is no plain file")
    with archive.open(member) as content:
        landing.file(path, cast(BinaryIO, content), executable=bool(mode & 0o100))
    return _day(member)


def _day(member: zipfile.ZipInfo) -> date:
    try:
        return date(*member.date_time[:3])
    except ValueError:
        return UNKNOWN


def _name(member: zipfile.ZipInfo) -> str:
    """Many tools write UTF-8 and do not say so."""
    if member.flag_bits & UTF_8:
        return member.filename
    try:
        return member.filename.encode("cp437").decode()
    except UnicodeError:
        return member.filename


def _check_directory(source: Path, rules: Rules) -> None:
    """The directory is read into memory as a whole, so its size is looked at first."""
    with source.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - END_BYTES - LONGEST_COMMENT - 1024))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + END_BYTES:
        raise BadPackage("the archive is cut off: it has no end")
    (directory,) = struct.unpack_from("<L", tail, at + 12)
    if directory == FAR:
        at = tail.rfind(END_64, 0, at)
        if at < 0:
            raise BadPackage("the archive is damaged: its directory cannot be found")
        (directory,) = struct.unpack_from("<Q", tail, at + 40)
    if directory > ENTRY_BYTES * rules.max_files:
        raise TooLarge(f"the package holds more than {rules.max_files} files, the limit here")
