"""Where packages come from: what the operator says, else what pip is configured with."""

import ast
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from stentor_deploy.environments.commands import run
from stentor_deploy.environments.pythons import Interpreter
from stentor_deploy.environments.rules import EnvironmentRules

SECTIONS = ("global", "install", ":env:")
"""Of pip's configuration; later ones win."""


@dataclass(frozen=True, slots=True)
class Indexes:
    """All are asked, and the best version of any is taken, as pip does it."""

    url: str = ""
    """Empty: PyPI."""
    extra: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    closed: bool = False
    """No index, only `find_links`."""
    certificate: str = ""
    insecure_hosts: tuple[str, ...] = ()

    @property
    def options(self) -> list[str]:
        """As pip and uv both spell them."""
        return [
            *(["--no-index"] if self.closed else []),
            *(["--index-url", self.url] if self.url else []),
            *(word for url in self.extra for word in ("--extra-index-url", url)),
            *(word for place in self.find_links for word in ("--find-links", place)),
        ]

    @property
    def known(self) -> frozenset[str]:
        """What packages may name, since it is used anyway."""
        return frozenset({"https://pypi.org/simple", self.url, *self.extra, *self.find_links} - {""})


async def configured_indexes(rules: EnvironmentRules, folder: Path) -> Indexes:
    """By the rules; each that these leave open by `pip config list`, where there is pip."""
    if rules.index_url and rules.extra_index_urls and rules.find_links:
        return Indexes(rules.index_url, rules.extra_index_urls, rules.find_links)
    command = (sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list")
    pip_variables = await run(command, tell=_unheard, folder=folder, variables=_variables_of_pip())
    told = _read(pip_variables.lines) if pip_variables.status == 0 else {}
    return Indexes(
        url=rules.index_url or told.get("index-url", ""),
        extra=rules.extra_index_urls or tuple(told.get("extra-index-url", "").split()),
        find_links=rules.find_links or tuple(told.get("find-links", "").split()),
        closed=not rules.index_url and told.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        certificate=told.get("cert", ""),
        insecure_hosts=tuple(told.get("trusted-host", "").split()),
    )


def own_builds(indexes: Indexes, interpreter: Interpreter) -> list[str]:
    """Lines `torch==2.13.0+cpu`: the newest build of each package that lies in a folder of the operator and
    fits the interpreter. Blocking."""
    found: dict[str, tuple[Version, str]] = {}
    major, minor = interpreter.version
    for place in indexes.find_links:
        folder = Path(place.removeprefix("file://"))
        for path in sorted(folder.glob("*.whl")) if folder.is_dir() else ():
            try:
                name, version, _, tags = parse_wheel_filename(path.name)
            except InvalidWheelFilename:
                continue
            if version.local and any(tag.interpreter in (f"cp{major}{minor}", "py3") for tag in tags):
                best = found.get(name)
                if best is None or version > best[0]:
                    found[name] = (version, f"{name}=={version}")
    return [line for _, line in sorted(found.values(), key=lambda one: one[1])]


def _read(lines: tuple[str, ...]) -> dict[str, str]:
    """Values of `pip config list`: lines `global.index-url='https://…'`."""
    told: dict[str, str] = {}
    for section in SECTIONS:
        for line in lines:
            key, is_setting, value = line.partition("=")
            name, _, option = key.rpartition(".")
            if not (is_setting and name == section):
                continue
            try:
                told[option] = str(ast.literal_eval(value))
            except (ValueError, SyntaxError):
                continue
    return told


def _variables_of_pip() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "XDG_CONFIG_"))}


def _unheard(_line: str) -> None:
    """The operator's configuration is nobody's business."""
