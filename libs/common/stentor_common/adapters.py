"""Adapters are chosen by name and imported only then; this is the one dynamic import."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class UnknownAdapter(Exception):
    """The name is not in the table."""


class MissingExtra(Exception):
    """The adapter's library is not installed here; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where an implementation lives (`module:attribute`) and the extra that brings its library."""

    path: str
    extra: str | None = None


def resolve(table: Mapping[str, Adapter], name: str) -> Any:
    """The implementation called `name`. Raises UnknownAdapter or MissingExtra."""
    adapter = table.get(name)
    if adapter is None:
        raise UnknownAdapter(f"{name!r} is not one of {', '.join(sorted(table))}")
    module, _, attribute = adapter.path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if adapter.extra is None or (error.name or "").startswith("stentor_"):
            raise
        raise MissingExtra(f"{name!r} needs {error.name}: pip install 'stentor[{adapter.extra}]'") from error


def missing(table: Mapping[str, Adapter], name: str) -> str:
    """Why the implementation called `name` cannot be used here; empty when it can. Imports only it."""
    try:
        resolve(table, name)
    except (UnknownAdapter, MissingExtra) as error:
        return str(error)
    return ""
