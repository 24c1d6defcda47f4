"""Models as pods: opens the cluster, and what runs and builds there."""

from pathlib import Path

from stentor_common.fetch import Fetcher
from stentor_common.runtime import Runtime
from stentor_deploy.environments.environments import Environments
from stentor_deploy.environments.rules import EnvironmentRules
from stentor_deploy.place import Known, Opened
from stentor_deploy.running.kubernetes.building import ClusterEnvironments
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.running.kubernetes.upkeep import remove_vanished
from stentor_deploy.settings import DeploySettings


async def open_cluster(runtime: Runtime, settings: DeploySettings, folder: Path) -> Opened:
    """Raises Unavailable when there is no cluster, or not what pods need."""
    own, store_url = KubernetesSettings(), runtime.settings.resolved_store_url
    driver = await KubernetesDriver.open(own, runtime.store, store_url)
    fetcher = Fetcher(allowed=settings.fetch_allowed) if settings.allow_url_requirements else None
    local = Environments(folder / "environments", EnvironmentRules.of(settings), fetcher)
    environments = ClusterEnvironments(driver, runtime.store, store_url, settings, local)

    async def clear(known: Known) -> None:
        await remove_vanished(driver.cluster, driver.manifests, known)

    return Opened(driver, environments, clear)
