"""Server-side apply: objects as sets of fields, each owned by whoever said it last.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import copy
from collections.abc import Iterator
from typing import Any

from stentor_dev.cluster import schemas

Step = str | tuple[tuple[str, Any], ...]
"""A field, or the element of a list that has these values in its keys."""
Path = tuple[Step, ...]

NOT_OWNED = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


def leaves(manifest: dict[str, Any]) -> dict[Path, Any]:
    """Every field that has a value of its own."""
    return {
        path: value for path, value in _leaves(manifest, schemas.root(manifest), ()) if path not in NOT_OWNED
    }


def put(target: dict[str, Any], path: Path, value: Any) -> None:
    """Set a field, with the objects and elements that it is in."""
    here: Any = target
    for step, after in zip(path, [*path[1:], None], strict=True):
        if isinstance(step, tuple):
            here = _element(here, step)
        elif after is None:
            here[step] = copy.deepcopy(value)
        else:
            empty: Any = [] if isinstance(after, tuple) else {}
            if here.get(step) is None:
                here[step] = empty
            here = here[step]


def take(target: dict[str, Any], path: Path) -> None:
    """Remove a field, and what is empty without it."""
    trail: list[tuple[Any, Any]] = []
    here: Any = target
    for step in path:
        if isinstance(step, tuple):
            at = next((n for n, item in enumerate(here) if _matches(item, step)), None)
            if at is None:
                return
            trail.append((here, at))
            here = here[at]
        else:
            if step not in here:
                return
            trail.append((here, step))
            here = here[step]
    for holder, key in reversed(trail):
        if here in ({}, []) or (holder, key) == trail[-1]:
            del holder[key]
        here = holder


def _leaves(value: Any, node: dict[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, schemas.child(node, name), (*path, name))
    elif isinstance(value, list) and value and (keys := schemas.list_keys(node)):
        inner_node = schemas.element(node)
        for item in value:
            step = tuple((key, item.get(key)) for key in keys)
            yield from _leaves(item, inner_node, (*path, step))
    else:
        yield path, value


def _element(items: list[Any], step: tuple[tuple[str, Any], ...]) -> Any:
    for item in items:
        if _matches(item, step):
            return item
    items.append({key: value for key, value in step if value is not None})
    return items[-1]


def _matches(item: Any, step: tuple[tuple[str, Any], ...]) -> bool:
    return all(item.get(key) == value for key, value in step)
