"""What gateways and revisions that are gone leave behind in the cluster."""

import contextlib
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta

from stentor_deploy.running.kubernetes import wishes
from stentor_deploy.running.kubernetes.cluster import (
    DEPLOYMENT,
    NETWORK_POLICY,
    SECRET,
    SERVICE,
    Cluster,
    Conflicting,
)
from stentor_deploy.running.kubernetes.manifests import REVISION, Manifests


async def let_sleep(cluster: Cluster, manifests: Manifests) -> None:
    """Put models to sleep that only gateways wanted which are gone."""
    lapse = timedelta(seconds=manifests.settings.wish_seconds)
    found, _ = await cluster.find(DEPLOYMENT, manifests.labels("model"))
    for deployment in found:
        if change := wishes.change(deployment, datetime.now(UTC), lapse):
            # Somebody else has just changed it, and so has looked at the wishes too.
            with contextlib.suppress(Conflicting):
                await cluster.merge(DEPLOYMENT, deployment["metadata"]["name"], change)


async def remove_vanished(
    cluster: Cluster, manifests: Manifests, known: Callable[[], Awaitable[Collection[str]]]
) -> set[str]:
    """Remove all objects of revisions that are not `known` any more; returns these. It is asked after looking
    into the cluster: a revision is known before anything of it is there."""
    labels = manifests.labels("model") | {REVISION: ""}
    there = []
    # The policy last: pods that still end have it a little longer.
    for kind in (DEPLOYMENT, SERVICE, SECRET, NETWORK_POLICY):
        found, _ = await cluster.find(kind, labels)
        there += [(kind, one["metadata"]) for one in found]
    kept = set(await known())
    gone = [(kind, metadata) for kind, metadata in there if metadata["labels"][REVISION] not in kept]
    for kind, metadata in gone:
        await cluster.delete(kind, metadata["name"])
    return {metadata["labels"][REVISION] for _, metadata in gone}
