"""A service of OctoAI: a class with `setup` and `infer`, and further methods by other names."""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any, Callable, get_type_hints

# What stands in for the library, beside this file; it must be found when the service is imported.
sys.path.insert(0, str(Path(__file__).parent))

KEPT = ("setup", "store_assets", "on_server_startup", "on_server_shutdown", "infer", "infer_form_data")
PATH = "__octoai_path__"


class Model:
    """Takes the arguments of a method by their names, each made what its annotation says. Answers what the
    method returns; media travel as `{"data": "<base64>"}` or `{"data": {"url": ...}}`."""

    def __init__(self, config: dict[str, Any]) -> None:
        service = getattr(importlib.import_module("service"), config["model_metadata"]["service_class"])
        self._service = service()
        further = {name: _forward(method) for name, method in _further(self._service)}
        # Methods that can be called are looked for at the class.
        self.__class__ = type("Model", (type(self),), further)

    def load(self) -> None:
        self._service.on_server_startup()
        self._service.setup()

    def predict(self, model_input: Any) -> Any:
        return _called(self._service.infer, model_input)

    infer = predict


def _further(service: Any) -> list[tuple[str, Callable[..., Any]]]:
    """By the name of the method, and by the path it was given, as `detect_objects` for `/detect-objects`."""
    found: dict[str, Callable[..., Any]] = {}
    for name, method in inspect.getmembers(service, inspect.ismethod):
        if name.startswith("_") or name in KEPT:
            continue
        path = getattr(method, PATH, name).strip("/").replace("-", "_")
        found[name] = found[path if path.isidentifier() else name] = method
    return list(found.items())


def _forward(method: Callable[..., Any]) -> Callable[[Model, Any], Any]:
    def call(_: Model, model_input: Any) -> Any:
        return _called(method, model_input)

    return call


def _called(method: Callable[..., Any], given: Any) -> Any:
    taken = inspect.signature(method).parameters
    if not isinstance(given, dict):
        if len(taken) != 1:
            raise ValueError(f"the input must hold {', '.join(taken)} by name")
        given = {next(iter(taken)): given}
    missing = [name for name, each in taken.items() if each.default is each.empty and name not in given]
    if missing:
        raise ValueError(f"the input lacks {', '.join(missing)}")
    unknown = [name for name in given if name not in taken]
    if unknown:
        raise ValueError(f"there is no argument {unknown[0]!r}; known are {', '.join(taken)}")
    hints = get_type_hints(method)
    return _plain(method(**{name: _typed(value, hints.get(name)) for name, value in given.items()}))


def _typed(value: Any, hint: Any) -> Any:
    if hint is None:
        return value
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(hint).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where + ': ' if where else ''}{first['msg']}") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return value
