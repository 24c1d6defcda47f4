"""The port to what resolves requirements and installs them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from stentor_deploy.environments import Tell
from stentor_deploy.environments.plan import Plan
from stentor_deploy.environments.pythons import Interpreter


class InstallFailed(Exception):
    """The message is all that the installer said."""


class Installer(Protocol):
    """Asks the indexes it was made with. Both raise InstallFailed."""

    async def resolve(self, plan: Plan, interpreter: Interpreter, tell: Tell) -> list[str]:
        """Lines `name==version`, or `name @ file:///…`, of all that must be installed. One that cannot look
        at dates leaves them out."""

    async def install(self, lines: Sequence[str], interpreter: Interpreter, into: Path, tell: Tell) -> None:
        """Make an environment in a folder that is not there yet, with exactly these. It may be renamed."""

    async def forget(self) -> None:
        """Give back the space of what was downloaded."""
