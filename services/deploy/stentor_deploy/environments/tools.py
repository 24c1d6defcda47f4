"""What makes environments on this machine: found once, when the first one is asked for."""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stentor_common.errors import Unavailable
from stentor_deploy.environments import Lock
from stentor_deploy.environments.indexes import Indexes, configured_indexes
from stentor_deploy.environments.installers import Installer
from stentor_deploy.environments.pip import Pip
from stentor_deploy.environments.pythons import Interpreter, found_interpreters
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.environments.uv import Uv


@dataclass(frozen=True, slots=True)
class Tools:
    interpreters: tuple[Interpreter, ...]
    indexes: Indexes
    installer: Installer

    def interpreter(self, lock: Lock) -> Interpreter:
        """The one that a lock was resolved for. Raises Unavailable."""
        for interpreter in self.interpreters:
            if (interpreter.python, interpreter.platform) == (lock.python, lock.platform):
                return interpreter
        raise Unavailable(
            f"this server has no Python {lock.python} for {lock.platform}, for which the model was built; "
            "have it added to the settings (STENTOR_DEPLOY_PYTHON), or deploy again"
        )


async def found_tools(rules: EnvironmentRules, folder: Path, *, uv: Path | None) -> Tools:
    """Interpreters, indexes, and uv or else pip. Raises Unavailable where there is none of a kind."""
    interpreters = await found_interpreters(rules.pythons)
    if not interpreters:
        raise Unavailable(f"{sys.executable} cannot be asked for its version")
    indexes = await configured_indexes(rules, folder)
    if uv is None and find_spec("pip") is None:
        raise Unavailable(
            "environments are made by uv or pip, and neither is here: pip install 'stentor[deploy]'"
        )
    installer: Installer = Pip(folder, indexes, rules.allow_source_builds)
    if uv:
        installer = Uv(uv, folder, indexes, rules.allow_source_builds)
    return Tools(interpreters, indexes, installer)


def found_uv() -> Path | None:
    """The program, where the package of that name is installed."""
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return None
