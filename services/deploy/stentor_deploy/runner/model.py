"""A package's model: found, made and loaded as a server of Truss does it."""

from __future__ import annotations

import importlib
import inspect
import os
import pathlib
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Mapping

DEFAULTS: dict[str, Any] = {
    "model_module_dir": "model",
    "model_class_filename": "model.py",
    "model_class_name": "Model",
    "data_dir": "data",
    "bundled_packages_dir": "packages",
    "external_package_dirs": [],
    "model_metadata": {},
    "model_type": "Model",
    "requirements": [],
    "secrets": {},
    "environment_variables": {},
    "runtime": {},
    "resources": {"accelerator": None, "use_gpu": False},
}
STAGES = ("preprocess", "predict", "postprocess")
NOT_CALLED = {*STAGES, "load", "is_healthy", "setup_environment"}


class Secrets(Mapping[str, str]):
    """Values by the names that the package declares; they cannot be listed."""

    def __init__(self, declared: Mapping[str, Any], values: Mapping[str, str]) -> None:
        self._declared, self._values = dict(declared), dict(values)

    def __getitem__(self, name: str) -> str:
        if name not in self._declared and name not in self._values:
            raise KeyError(f"secret {name!r} is not declared under 'secrets' of config.yaml")
        value = self._values.get(name) or self._declared.get(name)
        if not value:
            raise KeyError(f"secret {name!r} is declared, but nobody gave the deployment its value")
        return str(value)

    def __contains__(self, name: object) -> bool:
        return bool(self._values.get(str(name)) or self._declared.get(str(name)))

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("secrets cannot be listed; ask for one by its name")

    def __len__(self) -> int:
        return len({*self._declared, *self._values})


class DataResolver:
    """What old and current packages know as `lazy_data_resolver`: the data is there already."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder

    def fetch(self, *_: Any, **__: Any) -> pathlib.Path:
        return self._folder

    block_until_download_complete = fetch


def open_model(root: pathlib.Path, given: Mapping[str, Any], secrets: Mapping[str, str]) -> Any:
    """The package's model, made but not loaded. Raises whatever its code raises, and TypeError,
    FileNotFoundError or AttributeError that say what is wrong with it."""
    config = {**DEFAULTS, **{key: value for key, value in given.items() if value is not None}}
    data = root / config["data_dir"]
    if not data.exists():
        _try_to_make(data)
    importable(root, config)
    module_folder, file = config["model_module_dir"], config["model_class_filename"]
    if not (root / module_folder / file).is_file():
        raise FileNotFoundError(f"the package has no {module_folder}/{file}")
    # As a module of its package, so that `from .helper import x` works besides `from model.helper import x`.
    parts = [part for part in pathlib.PurePath(module_folder).parts if part != "."]
    module = importlib.import_module(".".join([*parts, pathlib.PurePath(file).stem]))
    made = getattr(module, config["model_class_name"], None)
    if not callable(made):
        raise AttributeError(f"{module_folder}/{file} has no class {config['model_class_name']}")
    offered = {
        "config": config,
        "data_dir": data,
        "secrets": Secrets(config["secrets"], secrets),
        "lazy_data_resolver": DataResolver(data),
        "environment": None,
    }
    return made(**_wanted(made, offered))


def importable(root: pathlib.Path, config: Mapping[str, Any]) -> None:
    """The package's own folders, first where modules are looked for."""
    folders = [root, root / config["bundled_packages_dir"]]
    folders += [root / name for name in config["external_package_dirs"] or ()]
    sys.path[:0] = [str(folder) for folder in folders]


def _try_to_make(folder: pathlib.Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError:
        # The package cannot be written to; a model without data does not look there.
        return


def _wanted(made: Callable[..., Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """Of what is offered, what the constructor takes by its signature."""
    try:
        taken = inspect.signature(made).parameters
    except ValueError:
        return {}
    if any(each.kind == each.VAR_KEYWORD for each in taken.values()):
        return dict(offered)
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    missing = [
        name
        for name, each in taken.items()
        if each.default is each.empty
        and each.kind != each.VAR_POSITIONAL
        and (name not in offered or each.kind not in named)
    ]
    if missing:
        raise TypeError(
            f"the model's constructor needs {', '.join(missing)}; it can be given {', '.join(offered)}"
        )
    return {name: offered[name] for name, each in taken.items() if name in offered and each.kind in named}


def load(model: Any, wait_for: Callable[[Any], Any]) -> None:
    """Calls its `load`, if it has one; one that is asynchronous on the loop of later calls."""
    if callable(getattr(model, "load", None)):
        result = model.load()
        if inspect.isawaitable(result):
            wait_for(result)
    if not callable(getattr(model, "predict", None)):
        raise TypeError(f"class {type(model).__name__} has no method `predict`")


def takes_request(method: Callable[..., Any], name: str) -> int:
    """How many arguments it takes: none, the input, or the input and a request. Raises TypeError for more."""
    try:
        taken = inspect.signature(method).parameters.values()
    except (ValueError, TypeError):
        return 1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(each.kind == each.VAR_POSITIONAL for each in taken):
        return 1
    needed = sum(each.kind in positional and each.default is each.empty for each in taken)
    if needed > 2 or any(each.kind == each.KEYWORD_ONLY and each.default is each.empty for each in taken):
        raise TypeError(f"`{name}` needs {needed} arguments; it may take the input and a request, no more")
    return needed if needed else min(1, sum(each.kind in positional for each in taken))


def methods(model: Any) -> list[str]:
    """Further methods that can be called: public, of its class."""
    return sorted(
        name
        for name, value in inspect.getmembers(type(model), callable)
        if not name.startswith("_") and name not in NOT_CALLED and not inspect.isclass(value)
    )


def streams(method: Any) -> bool:
    return inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method)


def describe(
    model: Any, started: float, warned: list[warnings.WarningMessage], *, root: str, known: bool
) -> dict[str, Any]:
    """What LOADED says: seconds, memory in bytes, methods, whether it streams, warnings; and, where they are
    not `known` from an earlier load, names of modules that are not the package's own, and versions."""
    specs = {name: getattr(module, "__spec__", None) for name, module in list(sys.modules.items())}
    modules = [
        name
        for name, spec in specs.items()
        if spec is not None and not known and not str(spec.origin).startswith(root + os.sep)
    ]
    told = dict.fromkeys(f"{each.category.__name__}: {each.message}"[:500] for each in warned)
    return {
        "seconds": time.monotonic() - started,
        "memory_bytes": resident(),
        "methods": methods(model),
        "streams": streams(model.predict),
        "modules": [name for name in modules if not name.startswith("stentor_deploy")],
        "versions": _versions({name.partition(".")[0] for name in modules}),
        "warnings": list(told)[:50],
    }


def resident() -> int:
    """Bytes of memory in use; 0 where the system does not say."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, ValueError, IndexError):
        return 0


def _versions(imported: set[str]) -> dict[str, str]:
    """Of the distributions whose top-level modules are imported."""
    from importlib import metadata

    found: dict[str, str] = {}
    for each in metadata.distributions():
        name = each.metadata["Name"]
        try:
            top = {line.partition("/")[0] for line in (each.read_text("top_level.txt") or "").split()}
        except OSError:
            continue
        known = top or {str(name).replace("-", "_").lower()}
        if name and known & imported:
            found[str(name)] = str(each.version)
    return found


def failure(error: BaseException, root: str) -> dict[str, str]:
    """An exception as its owner may read it; the message names the last line of the package's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [each for each in frames if each.filename.startswith(root)]
    where = f" ({own[-1].filename[len(root) :].lstrip('/')}, line {own[-1].lineno})" if own else ""
    message = str(error) if not isinstance(error, KeyError) else str(error.args[0] if error.args else error)
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {
        "kind": type(error).__name__,
        "message": (message[:2000] or type(error).__name__) + where,
        "details": text[-20_000:],
    }
