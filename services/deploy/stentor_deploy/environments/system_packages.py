"""Packages of the operating system that a model wants; they are looked for, never installed."""

import re
from collections.abc import Sequence

from stentor_deploy.environments.commands import asked
from stentor_deploy.errors import Unsupported

NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?")
QUERY = (
    "dpkg-query",
    "--show",
    "--showformat",
    r"${db:Status-Status}\t${Package}\t${Architecture}\t${Provides}\n",
)


async def check_system_packages(names: Sequence[str]) -> None:
    """Raises Unsupported with the list of those that are missing, or cannot be looked for here."""
    if not names:
        return
    odd = [name for name in names if not NAME.fullmatch(name)]
    if odd:
        raise _refused(
            f"{', '.join(map(repr, odd))}: no name of a system package; leave versions and options out"
        )
    installed = await _installed()
    if installed is None:
        raise _refused(
            f"{', '.join(names)}: this system cannot tell whether it has them; leave the key out if it has"
        )
    missing = [name for name in names if name not in installed]
    if missing:
        raise _refused(
            f"{', '.join(missing)}: not installed on this server, and models cannot install anything; have "
            "them installed there, or leave out those that are not needed"
        )


async def _installed() -> frozenset[str] | None:
    """Names of all packages, also with their architecture, and of what they stand in for; None: not known."""
    said = await asked(*QUERY)
    if said is None:
        return None
    found: set[str] = set()
    for line in said.splitlines():
        status, name, architecture, provides = (line.split("\t") + [""] * 4)[:4]
        if status == "installed":
            stands_for = (one.partition("(")[0].strip() for one in provides.split(","))
            found |= {name, f"{name}:{architecture}", *stands_for}
    return frozenset(found - {""})


def _refused(message: str) -> Unsupported:
    return Unsupported("system_packages", message)
