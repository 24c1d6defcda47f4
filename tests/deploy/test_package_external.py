"""Files that a package names by their URL come into its folder, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from stentor_common.errors import TooLarge
from stentor_common.fetch import Fetcher, UrlRefused
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import ExternalFile, Format, Package
from stentor_deploy.packages.external import fetch_external
from stentor_deploy.packages.rules import Rules

CONTENT = b"weights" * 100


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(CONTENT), CONTENT))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/weights"


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    made = Fetcher(allowed=["127.0.0.0/8"])
    yield made
    await made.close()


def naming(*files: tuple[str, str]) -> Package:
    wanted = tuple(ExternalFile(url=url, path=path) for url, path in files)
    return Package(format=Format.truss, config={}, external_data=wanted)


async def test_they_lie_where_the_package_says(url: str, fetcher: Fetcher, tmp_path: Path) -> None:
    await fetch_external(naming((url, "data/deep/weights")), tmp_path, fetcher, Rules())
    assert (tmp_path / "data" / "deep" / "weights").read_bytes() == CONTENT


async def test_all_of_them_together_stay_within_the_limit(url: str, fetcher: Fetcher, tmp_path: Path) -> None:
    rules = replace(Rules(), max_unpacked_bytes=len(CONTENT) + 10)
    with pytest.raises(TooLarge):
        await fetch_external(naming((url, "data/one"), (url, "data/two")), tmp_path, fetcher, rules)


async def test_they_replace_nothing(url: str, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text("mine")
    with pytest.raises(BadPackage, match="already"):
        await fetch_external(naming((url, "model.py")), tmp_path, fetcher, Rules())
    assert (tmp_path / "model.py").read_text() == "mine"


async def test_addresses_inside_are_not_asked(url: str, tmp_path: Path) -> None:
    closed = Fetcher()
    with pytest.raises(UrlRefused):
        await fetch_external(naming((url, "data/x")), tmp_path, closed, Rules())
    await closed.close()
