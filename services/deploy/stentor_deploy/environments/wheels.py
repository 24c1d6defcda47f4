"""Wheels that are given by their address: downloaded by us, from where it is allowed, and kept by content."""

import asyncio
import hashlib
import secrets
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from stentor_common.errors import BadInput
from stentor_deploy.errors import BuildFailed

MOST_BYTES = 4 * 1024**3
MOST_SECONDS = 900.0


class Downloads(Protocol):
    """As `stentor_common.fetch.Fetcher` has it: only from where it is allowed."""

    def download(self, url: str, *, max_bytes: int, max_seconds: float) -> AsyncGenerator[bytes, None]: ...


class Wheels:
    """Lines of locks say `name @ https://…#sha256=…`; installers get `name @ file:///…`."""

    def __init__(self, folder: Path, downloads: Downloads | None) -> None:
        self._folder = folder
        self._downloads = downloads
        self._addresses: dict[str, str] = {}
        """What a file was downloaded from, by its own address."""

    @property
    def allowed(self) -> bool:
        return self._downloads is not None

    async def brought(self, requirement: Requirement) -> Requirement:
        """The same, with the wheel at hand if there is one. Raises BuildFailed."""
        if not requirement.url:
            return requirement
        url, _, fragment = requirement.url.partition("#")
        expected = fragment.partition("sha256=")[2].partition("&")[0]
        path = self._path(url)
        digest = await asyncio.to_thread(_digest, path) if expected else ""
        if not expected or digest != expected:
            digest = await self._download(url, path)
        if expected and expected != digest:
            raise BuildFailed(f"{_shown(url)} is another file than it was: its SHA-256 is {digest}")
        self._addresses[path.as_uri()] = f"{url}#sha256={digest}"
        local = Requirement(str(requirement))
        local.url = path.as_uri()
        return local

    def public(self, line: str) -> str:
        """A line of an installer as a line of a lock."""
        name, at, url = line.partition(" @ ")
        return f"{name} @ {self._addresses[url]}" if at else line

    async def local(self, line: str) -> str:
        """A line of a lock as a line for an installer. Raises BuildFailed."""
        return str(await self.brought(Requirement(line))) if " @ " in line else line

    def clear(self) -> None:
        """Remove what was downloaded. Blocking."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, url: str) -> Path:
        place = hashlib.sha256(url.encode()).hexdigest()[:32]
        return self._folder / place / PurePosixPath(unquote(urlsplit(url).path)).name

    async def _download(self, url: str, path: Path) -> str:
        if self._downloads is None:
            raise BuildFailed(f"{_shown(url)}: this server takes no packages by their address")
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        part = path.with_name(f"part-{secrets.token_hex(4)}")
        try:
            with part.open("wb") as file:
                pieces = self._downloads.download(url, max_bytes=MOST_BYTES, max_seconds=MOST_SECONDS)
                async for piece in pieces:
                    digest.update(piece)
                    file.write(piece)
            part.rename(path)
        except BadInput as error:
            raise BuildFailed(f"{_shown(url)}: {error.message}") from error
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()


def _digest(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shown(url: str) -> str:
    """Without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"
