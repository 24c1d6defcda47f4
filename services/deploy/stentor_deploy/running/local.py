"""Models as processes of this machine."""

from pathlib import Path

from stentor_common.fetch import Fetcher
from stentor_common.runtime import Runtime
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.place import Opened
from stentor_deploy.running.process import ProcessDriver
from stentor_deploy.settings import DeploySettings


async def open_local(_runtime: Runtime, settings: DeploySettings, folder: Path) -> Opened:
    """Environments and sockets are below `folder`."""
    fetcher = Fetcher(allowed=settings.fetch_allowed) if settings.allow_url_requirements else None
    environments = Environments(folder / "environments", EnvironmentRules.of(settings), fetcher)
    return Opened(ProcessDriver(settings, folder), environments)
