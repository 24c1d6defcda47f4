"""Tar archives, compressed or not: read from front to back, nothing believed of what their headers say."""

import bz2
import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages.landing import PIECE, Landing

BLOCK = tarfile.BLOCKSIZE
MOST_AT_ONCE = 1024**2
"""Largest single reading. Long names and other headers are read at once, whatever length they claim."""

DECOMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""By the first bytes of a file."""

BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError, ValueError, OverflowError)


def is_tar(path: Path) -> bool:
    """Whether a file is a tar archive, by its content."""
    try:
        with _opened(path) as file:
            tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "surrogateescape")
    except BROKEN:
        return False
    return True


def unpack_tar(source: Path, landing: Landing) -> Iterator[date]:
    """Gives the day of each file, once it is there."""
    try:
        with _opened(source) as file:
            measured = _Measured(file, landing)
            with tarfile.open(fileobj=measured, mode="r:") as tar:
                for member in tar:
                    if _take(tar, member, landing):
                        yield datetime.fromtimestamp(max(0, min(member.mtime, 2**33)), UTC).date()
            # What follows the last file belongs to the archive: its check sum comes at the end.
            while measured.read(PIECE):
                pass
    except BROKEN as error:
        raise BadPackage(f"the archive is damaged: {error}") from error


def _take(tar: tarfile.TarFile, member: tarfile.TarInfo, landing: Landing) -> bool:
    path = landing.place(member.name)
    if path is None:
        return False
    if member.isdir():
        landing.folder(path)
        return False
    if member.issym() or member.islnk():
        raise BadPackage(f"{path!r} is a link; pack the file itself (tar --dereference)")
    if not member.isreg() or member.issparse():
        raise BadPackage(f"{path!r} is no plain file")
    content = tar.extractfile(member)
    assert content is not None, "a plain file has content"
    landing.file(path, cast(BinaryIO, content), executable=bool(member.mode & 0o100))
    return True


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opened in DECOMPRESSED.items():
        if start.startswith(magic):
            return cast(BinaryIO, opened(path))
    return path.open("rb")


class _Measured(io.RawIOBase):
    """A file that is read forward only so far as the landing allows, and never much at once."""

    def __init__(self, file: BinaryIO, landing: Landing) -> None:
        self._file = file
        self._landing = landing

    def read(self, size: int = -1, /) -> bytes:
        if not 0 <= size <= MOST_AT_ONCE:
            raise BadPackage("the archive holds a header that is far too long")
        self._landing.check(self._file.tell() + size)
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        assert whence == io.SEEK_SET
        self._landing.check(offset)
        return self._file.seek(offset)

    def tell(self) -> int:
        return self._file.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


assert PIECE <= MOST_AT_ONCE
