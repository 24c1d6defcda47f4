"""Environments: a Python with what a package requires, made once for each set of requirements."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from stentor_deploy.packages import Frozen, Note

Tell = Callable[[str], None]
"""Takes a line of a log."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a package asks of its environment."""

    requirements: tuple[str, ...]
    python: str | None = None
    strict_python: bool = False
    made_on: date | None = None
    pickled_with: tuple[tuple[str, str], ...] = ()
    imports: frozenset[str] = frozenset()
    """Top-level modules that its code imports; empty: not known."""
    system_packages: tuple[str, ...] = ()
    """Names of packages that the operating system must have."""
    allow_mismatch: bool = False
    """Accept other versions than those that pickles were made with."""


class Lock(Frozen):
    """Requirements resolved, for one Python and one platform. Kept as JSON with the revision."""

    python: str
    """`3.11`"""
    platform: str
    lines: tuple[str, ...]
    """`name==version`, sorted."""
    key: str
    """SHA-256 over all of these, in hexadecimal."""
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Environment:
    key: str
    folder: Path
    python: Path
    """Its interpreter."""
