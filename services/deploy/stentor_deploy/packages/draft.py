"""A package while it is read: what is known so far, and the configuration its model will be given."""

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from stentor_deploy.errors import BadPackage
from stentor_deploy.packages import Format, Note, Package, source_code
from stentor_deploy.packages import requirements as required
from stentor_deploy.packages.rules import Given, Rules
from stentor_deploy.packages.yaml_files import write_yaml

CONFIG_FILE = "config.yaml"

DEFAULTS: dict[str, Any] = {
    "model_module_dir": "model",
    "model_class_filename": "model.py",
    "model_class_name": "Model",
    "data_dir": "data",
    "bundled_packages_dir": "packages",
    "external_package_dirs": [],
    "input_type": "Any",
    "model_framework": "custom",
    "model_type": "Model",
    "model_metadata": {},
    "model_name": None,
    "description": None,
    "environment_variables": {},
    "examples_filename": "examples.yaml",
    "requirements": [],
    "system_packages": [],
    "resources": {"accelerator": None, "cpu": "1", "memory": "2Gi", "use_gpu": False},
    "runtime": {"predict_concurrency": 1, "streaming_read_timeout": 60},
    "secrets": {},
    "spec_version": "2.0",
}
"""Keys that models read in their configuration, where the package has none of its own."""


@dataclass
class Draft:
    root: Path
    format: Format
    rules: Rules
    given: Given
    made_on: date | None = None
    config: dict[str, Any] = field(default_factory=lambda: deepcopy(DEFAULTS))
    requirements: tuple[str, ...] = ()
    notes: list[Note] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    """Besides those that can be read in its code."""
    fields: dict[str, Any] = field(default_factory=dict)
    """Further ones of the package, by name."""

    def note(self, code: str, message: str) -> None:
        self.notes.append(Note(code=code, message=message))

    def require(self, lines: Iterable[str]) -> None:
        """Add what its code needs and its requirements do not name yet."""
        known = required.names_of(self.requirements)
        self.requirements += tuple(line for line in lines if required.name_of(line) not in known)

    def drop(self, names: Iterable[str], why: str) -> None:
        self.requirements, notes = required.without(self.requirements, frozenset(names), why)
        self.notes += notes

    def make(self) -> Package:
        """The package, with its configuration written into its folder. What the request says wins."""
        if self.given.requirements is not None:
            self.requirements = required.lines_of(self.given.requirements)
        self.drop(required.CLIENTS, "it made or sent the package, the model does not need it")
        if self.given.python:
            self.fields["python"] = python_version(self.given.python)
        name = self.given.name or self.fields.pop("model_name", None)
        self.config |= {"model_name": name, "requirements": list(self.requirements)}
        write_yaml(self.root / CONFIG_FILE, self.config)
        return Package(
            format=self.format,
            config=self.config,
            requirements=self.requirements,
            made_on=self.made_on,
            imports=tuple(sorted({*source_code.imported(self.root), *self.imports})),
            model_name=name,
            notes=tuple(self.notes),
            **{"framework": self.given.framework, **self.fields},
        )


def python_version(text: str) -> str:
    """`3.11` of `py311`, `3.11` or `3.11.4`. Raises BadPackage."""
    digits = text.lower().removeprefix("python").removeprefix("py").strip("- ")
    if digits.isdigit() and len(digits) > 1:
        digits = f"{digits[0]}.{digits[1:]}"
    parts = digits.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts):
        raise BadPackage(f"python_version: {text!r} is no version of Python; write it as py311 or 3.11")
    return ".".join(parts[:2])
