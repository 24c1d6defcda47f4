"""Objects as files in a folder."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from stentor_common.store import ObjectMissing, StoreUnavailable

PIECE = 256 * 1024


class LocalStore:
    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._root.mkdir(parents=True, exist_ok=True)

    @classmethod
    async def open(cls, url: str) -> "LocalStore":
        return cls(Path(url.removeprefix("file:")))

    async def save(self, key: str, chunks: AsyncIterable[bytes]) -> int:
        path = self._path(key)
        part = await asyncio.to_thread(_open_part, path)
        try:
            size = 0
            async for chunk in chunks:
                size += await asyncio.to_thread(part.write, chunk)
            await asyncio.to_thread(part.flush)
            await asyncio.to_thread(os.fsync, part.fileno())
            Path(part.name).replace(path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise
        finally:
            part.close()
        return size

    async def read(self, key: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise ObjectMissing(key) from None
        with file:
            file.seek(start)
            left = float("inf") if stop is None else stop - start
            while left > 0 and (piece := await asyncio.to_thread(file.read, int(min(PIECE, left)))):
                left -= len(piece)
                yield piece

    @asynccontextmanager
    async def fetch(self, key: str) -> AsyncIterator[Path]:
        path = self._path(key)
        if not path.is_file():
            raise ObjectMissing(key)
        yield path

    async def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    async def ping(self) -> None:
        if not os.access(self._root, os.W_OK):
            raise StoreUnavailable("the folder for files cannot be written to")

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root) or path == self._root:
            raise ValueError(f"{key!r} is not a key")
        return path


def _open_part(path: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    path.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.NamedTemporaryFile(dir=path.parent, prefix=".part-", delete=False)
