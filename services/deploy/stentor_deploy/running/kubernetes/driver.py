"""The driver that runs models as pods."""

import asyncio
import contextlib
import hashlib
import json
import secrets
import uuid
from base64 import b64decode
from pathlib import Path

from stentor_common.errors import AppError, Unavailable
from stentor_common.store import Store
from stentor_deploy.delivery import environment_key, package_key, publish
from stentor_deploy.running import LogLine, RunSpec
from stentor_deploy.running.kubernetes.cluster import SECRET, Cluster, Conflicting
from stentor_deploy.running.kubernetes.fleet import KubernetesFleet
from stentor_deploy.running.kubernetes.manifests import TOKEN, Manifests, delivery_secret, given, name_of
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.running.kubernetes.upkeep import let_sleep

OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class KubernetesDriver:
    """`store_url` is that of `store`, in the words of STENTOR_STORE_URL, for pods."""

    name = "kubernetes"

    def __init__(self, cluster: Cluster, settings: KubernetesSettings, store: Store, store_url: str) -> None:
        self.cluster, self._settings, self._store = cluster, settings, store
        self._store_url = settings.store_url.get_secret_value() or store_url
        self.manifests = Manifests(settings, settings.gateway_namespace or own_namespace(settings))
        self._fleets: list[KubernetesFleet] = []
        self._upkeep: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: KubernetesSettings, store: Store, store_url: str) -> "KubernetesDriver":
        """Raises Unavailable when there is no cluster, or not what pods need."""
        if not settings.image:
            raise Unavailable("models as pods need STENTOR_DEPLOY_KUBERNETES_IMAGE: the image of their pods")
        if not (settings.store_url.get_secret_value() or store_url).startswith("s3+"):
            raise Unavailable("models as pods need an S3 store that pods can reach: set STENTOR_STORE_URL")
        driver = cls(await Cluster.open(settings), settings, store, store_url)
        driver._upkeep = asyncio.create_task(driver._keep())
        return driver

    async def fleet(self, spec: RunSpec, tell: LogLine) -> KubernetesFleet:
        name_of(spec.revision)
        self.manifests.deployment(spec, "")  # Raises Unsupported before anything is made.
        await self._publish(package_key(spec.revision), spec.folder)
        await self._publish(environment_key(spec.environment), spec.environment_folder)

        async def lay_out() -> str:
            return await self._lay_out(spec)

        who = uuid.uuid4().hex[:12]
        fleet = KubernetesFleet(self.cluster, self.manifests, spec, who=who, lay_out=lay_out, tell=tell)
        self._fleets = [other for other in self._fleets if other.wanted] + [fleet]
        return fleet

    async def close(self) -> None:
        """What other gateways use goes on."""
        if self._upkeep:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        await asyncio.gather(*(fleet.close() for fleet in self._fleets))
        await self.cluster.close()

    async def _lay_out(self, spec: RunSpec) -> str:
        """All but replicas, whatever is there already; returns the token of the pods."""
        manifests, apply = self.manifests, self.cluster.apply
        delivery = {"url": self._store_url}
        await apply(manifests.secret(delivery_secret(self._settings), manifests.labels("model"), delivery))
        token = await self._token(spec)
        told = given(spec)
        labels = manifests.of_revision(spec.revision)
        # The policy first: no pod is ever without it.
        await apply(manifests.network_policy(spec))
        await apply(manifests.secret(name_of(spec.revision), labels, {TOKEN: token} | told))
        await apply(manifests.service(spec))
        stamp = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        await apply(manifests.deployment(spec, stamp))
        return token

    async def _publish(self, key: str, folder: Path) -> None:
        """Where it was made elsewhere it is in the store already, and its folder is not here."""
        try:
            await publish(self._store, key, folder)
        except FileNotFoundError:
            raise Unavailable("files of the model are gone from the object store; deploy it again") from None

    async def _token(self, spec: RunSpec) -> str:
        """That of whichever gateway was first."""
        name = name_of(spec.revision)
        while True:
            found, new = await self.cluster.read(SECRET, name), {TOKEN: secrets.token_urlsafe(32)}
            if found:
                kept = found.get("data", {}).get(TOKEN)
                return b64decode(kept).decode() if kept else new[TOKEN]
            labels = self.manifests.of_revision(spec.revision)
            with contextlib.suppress(Conflicting):
                await self.cluster.create(self.manifests.secret(name, labels, new))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._settings.wish_seconds)
            with contextlib.suppress(AppError):
                await let_sleep(self.cluster, self.manifests)


def own_namespace(settings: KubernetesSettings) -> str:
    """Of the pod this runs in; outside a cluster that of the models."""
    try:
        return OWN_NAMESPACE.read_text().strip()
    except OSError:
        return settings.namespace
