"""Adapters are chosen by name and imported only then; this is the one dynamic import."""

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class UnknownAdapter(Exception):
    """The name is not in the table."""


class MissingExtra(Exception):
    """The adapter's library is not installed here; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """Where an implementation lives (`module:attribute`, or a whole module), the library it stands on, and
    the extra that brings that."""

    path: str
    extra: str | None = None
    library: str | None = None


def resolve(table: Mapping[str, Adapter], name: str) -> Any:
    """The implementation called `name`. Raises UnknownAdapter or MissingExtra."""
    adapter = table.get(name)
    if adapter is None:
        raise _unknown(table, name)
    module, _, attribute = adapter.path.partition(":")
    try:
        found = importlib.import_module(module)
        return getattr(found, attribute) if attribute else found
    except ModuleNotFoundError as error:
        if adapter.extra is None or (error.name or "").startswith("stentor_"):
            raise
        raise _lacking(adapter, name, error.name) from error


def missing(table: Mapping[str, Adapter], name: str) -> str:
    """Why the implementation called `name` cannot be used here; empty when it can. Imports nothing."""
    adapter = table.get(name)
    if adapter is None:
        return str(_unknown(table, name))
    if adapter.library and importlib.util.find_spec(adapter.library) is None:
        return str(_lacking(adapter, name, adapter.library))
    return ""


def _unknown(table: Mapping[str, Adapter], name: str) -> UnknownAdapter:
    return UnknownAdapter(f"{name!r} is not one of {', '.join(sorted(table))}")


def _lacking(adapter: Adapter, name: str, library: str | None) -> MissingExtra:
    return MissingExtra(f"{name!r} needs {library}: pip install 'stentor[{adapter.extra}]'")
