"""YAML that strangers wrote: bounded, and of nothing but what JSON knows."""

import math
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from stentor_deploy.errors import BadPackage

LARGEST = 1024**2
LARGEST_NUMBER_BITS = 128
MOST_VALUES = 50_000
"""Counted as often as they are referred to: a few anchors may stand for billions."""


def read_yaml(path: Path) -> Any:
    """Raises BadPackage."""
    text = _text(path)
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadPackage(f"{path.name} is not valid YAML: {_reason(error)}") from error
    return _Plain(path.name).made(found)


def read_mapping(path: Path) -> dict[str, Any]:
    """Of a file that is empty or a mapping. Raises BadPackage."""
    found = read_yaml(path)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise BadPackage(f"{path.name} must hold keys and values")
    return found


def scalar(path: Path, key: str) -> str | None:
    """A value at the top of a mapping as it is written: YAML takes `3.10` for the number 3.1."""
    node = yaml.compose(_text(path), Loader=yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key and isinstance(value, yaml.ScalarNode):
                return str(value.value)
    return None


def write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


class _Plain:
    """Counts the values of one file while they are copied."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._left = MOST_VALUES

    def made(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > 50:
            raise BadPackage(f"{self._name} holds too many values, or values too deep")
        if isinstance(value, dict):
            return {_key(key): self.made(each, depth + 1) for key, each in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.made(each, depth + 1) for each in value]
        if isinstance(value, date):
            return value.isoformat()
        if isinstance(value, float) and not math.isfinite(value):
            raise BadPackage(f"{self._name} holds a number that JSON does not know: {value}")
        if isinstance(value, int) and value.bit_length() > LARGEST_NUMBER_BITS:
            raise BadPackage(f"{self._name} holds a number that is too large")
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise BadPackage(f"{self._name} holds a {type(value).__name__}; use text and numbers")


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(key)


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise BadPackage(f"{path.name} is larger than {LARGEST} bytes")
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise BadPackage(f"{path.name} is not in UTF-8") from None


def _reason(error: Exception) -> str:
    """The first of the parser's several lines, and where it is."""
    lines = list(_lines(error))
    return " ".join(lines) or type(error).__name__


def _lines(error: Exception) -> Iterator[str]:
    if isinstance(error, yaml.MarkedYAMLError):
        yield str(error.problem or error.context or "it cannot be read")
        if error.problem_mark:
            yield f"in line {error.problem_mark.line + 1}"
    elif not isinstance(error, RecursionError):
        yield str(error).partition("\n")[0]
