"""Files that a package names by their URL: fetched into its folder before it is built."""

from pathlib import Path

import anyio

from stentor_common.fetch import Fetcher
from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Package
from stentor_deploy.packages.landing import path_parts
from stentor_deploy.packages.rules import Rules

SECONDS = 600
"""For each."""


async def fetch_external(package: Package, folder: Path, fetcher: Fetcher, rules: Rules) -> None:
    """Raises UrlRefused, UrlUnreadable, TooLarge; BadPackage for a file that is in the package already."""
    left = rules.max_unpacked_bytes
    for wanted in package.external_data:
        target = folder.joinpath(*path_parts(wanted.path))
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise BadPackage(f"external_data: {wanted.path} is in the package already")
        async with await anyio.open_file(target, "xb") as file:
            async for piece in fetcher.download(wanted.url, max_bytes=left, max_seconds=SECONDS):
                await file.write(piece)
        left -= target.stat().st_size
