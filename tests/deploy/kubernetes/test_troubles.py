"""What a cluster cannot or may not do is said, and goes on by itself once it can."""

import asyncio
from collections.abc import Callable

import pytest

from stentor_common.errors import Unavailable
from stentor_common.store.local import LocalStore
from stentor_deploy.errors import Unsupported
from stentor_deploy.running import Fleet, LogLine, RunSpec
from stentor_deploy.running.kubernetes.cluster import DEPLOYMENT, SECRET, Cluster
from stentor_deploy.running.kubernetes.driver import KubernetesDriver
from stentor_deploy.running.kubernetes.manifests import Manifests, name_of
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_deploy.running.kubernetes.upkeep import let_sleep, remove_vanished
from stentor_dev.cluster import LocalCluster

Gateway = Callable[[], KubernetesDriver]
Revision = Callable[..., RunSpec]

MODEL = "class Model:\n    def predict(self, asked):\n        return asked\n"


async def trouble_of(fleet: Fleet) -> str:
    async with asyncio.timeout(20):
        while fleet.trouble is None:
            await fleet.changed()
    assert isinstance(fleet.trouble, Unavailable)
    return str(fleet.trouble)


async def replicas(cluster: Cluster, spec: RunSpec, wanted: int) -> None:
    """Returns once so many are asked of the cluster."""
    async with asyncio.timeout(10):
        while True:
            found = await cluster.read(DEPLOYMENT, name_of(spec.revision))
            if found and found["spec"]["replicas"] == wanted:
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def no_images(images: set[str]) -> None:
    """No pod starts, which most of what is tested here does not need."""
    images.clear()


@pytest.mark.usefixtures("no_images")
async def test_an_image_that_the_registry_does_not_have(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    fleet = await gateway().fleet(revision(MODEL), tell)
    await fleet.scale(1)
    assert "registry.example/stentor:1 cannot be had (ErrImagePull)" in await trouble_of(fleet)


async def test_a_node_with_the_accelerator_is_missing(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    fleet = await gateway().fleet(revision(MODEL, gpu="any", gpus=1), tell)
    await fleet.scale(1)
    assert "no node of the cluster has room for the model: 0/1 nodes are available" in await trouble_of(fleet)


@pytest.mark.usefixtures("no_images")
async def test_a_node_may_have_to_be_brought_first(
    gateway: Gateway,
    revision: Revision,
    tell: LogLine,
    printed: list[tuple[str, str]],
    local_cluster: LocalCluster,
    kubernetes_settings: KubernetesSettings,
) -> None:
    kubernetes_settings.node_seconds = 60
    fleet = await gateway().fleet(revision(MODEL, gpu="any", gpus=1), tell)
    await fleet.scale(1)
    async with asyncio.timeout(20):
        while not any("waiting for a node: 0/1 nodes are available" in line for line, _ in printed):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert fleet.trouble is None
    local_cluster.node.capacity = {"nvidia.com/gpu": 1}
    assert "cannot be had (ErrImagePull)" in await trouble_of(fleet)


async def test_an_accelerator_of_an_unknown_name_is_refused_at_once(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    with pytest.raises(Unsupported, match="this cluster has no H100"):
        await gateway().fleet(revision(MODEL, gpu="H100", gpus=1), tell)


async def test_a_quota_of_the_namespace(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    local_cluster.node.pod_quota = 0
    fleet = await gateway().fleet(revision(MODEL), tell)
    await fleet.scale(1)
    assert "the cluster makes no pod for the model: pods are forbidden: exceeded quota" in await trouble_of(
        fleet
    )


@pytest.mark.usefixtures("no_images")
async def test_what_the_service_account_may_not_do(
    gateway: Gateway,
    revision: Revision,
    tell: LogLine,
    local_cluster: LocalCluster,
    connect: Callable[[], Cluster],
) -> None:
    may = local_cluster.allowed.pop("networkpolicies")
    spec = revision(MODEL)
    fleet = await gateway().fleet(spec, tell)
    await fleet.scale(1)
    said = await trouble_of(fleet)
    assert "does not allow PATCH" in said
    assert "networkpolicies" in said
    # No pod without its policy.
    assert not local_cluster.pods()

    local_cluster.allowed["networkpolicies"] = may
    await replicas(connect(), spec, 1)


@pytest.mark.usefixtures("no_images")
async def test_a_namespace_that_is_not_there(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    local_cluster.objects.namespaces.clear()
    fleet = await gateway().fleet(revision(MODEL), tell)
    await fleet.scale(1)
    assert 'namespaces "models" not found' in await trouble_of(fleet)


async def test_a_cluster_that_does_not_answer(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    driver = gateway()
    await local_cluster.__aexit__(None, None, None)
    fleet = await driver.fleet(revision(MODEL), tell)
    await fleet.scale(1)
    assert "the cluster does not answer" in await trouble_of(fleet)


@pytest.mark.usefixtures("no_images")
async def test_a_model_is_put_to_sleep_when_the_gateway_that_wanted_it_is_gone(
    gateway: Gateway,
    revision: Revision,
    tell: LogLine,
    connect: Callable[[], Cluster],
    kubernetes_settings: KubernetesSettings,
) -> None:
    driver, spec = gateway(), revision(MODEL)
    fleet = await driver.fleet(spec, tell)
    await fleet.scale(2)
    await replicas(connect(), spec, 2)

    await let_sleep(connect(), driver.manifests)
    await replicas(connect(), spec, 2)

    # As when so much time has passed without a word of it.
    impatient = kubernetes_settings.model_copy(update={"wish_seconds": 0.001})
    await let_sleep(connect(), Manifests(impatient, "stentor"))
    await replicas(connect(), spec, 0)


@pytest.mark.usefixtures("no_images")
async def test_deleting_what_somebody_made_by_hand_is_repaired(
    gateway: Gateway, revision: Revision, tell: LogLine, connect: Callable[[], Cluster]
) -> None:
    spec = revision(MODEL)
    fleet = await gateway().fleet(spec, tell)
    await fleet.scale(1)
    cluster = connect()
    await replicas(cluster, spec, 1)
    await cluster.delete(DEPLOYMENT, name_of(spec.revision))
    await fleet.scale(2)
    await replicas(cluster, spec, 2)


@pytest.mark.usefixtures("no_images")
async def test_what_belongs_to_revisions_that_are_gone_is_removed(
    gateway: Gateway, revision: Revision, tell: LogLine, connect: Callable[[], Cluster]
) -> None:
    driver, kept, gone = gateway(), revision(MODEL), revision(MODEL)
    for spec in (kept, gone):
        fleet = await driver.fleet(spec, tell)
        await fleet.scale(1)
        await replicas(connect(), spec, 1)
        await fleet.close()

    async def known() -> list[str]:
        return [kept.revision]

    cluster = connect()
    assert await remove_vanished(cluster, driver.manifests, known) == {gone.revision}
    for kind in (DEPLOYMENT, SECRET):
        assert await cluster.read(kind, name_of(gone.revision)) is None
        assert await cluster.read(kind, name_of(kept.revision)) is not None


@pytest.mark.usefixtures("no_images")
async def test_another_installation_in_the_same_namespace_is_left_alone(
    gateway: Gateway, revision: Revision, tell: LogLine, connect: Callable[[], Cluster]
) -> None:
    driver, spec = gateway(), revision(MODEL)
    fleet = await driver.fleet(spec, tell)
    await fleet.scale(1)
    await replicas(connect(), spec, 1)
    other = KubernetesSettings(namespace="models", image="stentor:1", instance="other")

    async def nothing() -> list[str]:
        return []

    assert await remove_vanished(connect(), Manifests(other, "stentor"), nothing) == set()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"image": ""}, "STENTOR_DEPLOY_KUBERNETES_IMAGE"),
        ({"image": "stentor:1", "store_url": ""}, "STENTOR_STORE_URL"),
        ({"image": "stentor:1", "kubeconfig": "/nowhere"}, "no credentials for a Kubernetes cluster"),
    ],
)
async def test_what_is_missing_to_run_models_in_a_cluster_is_said_at_the_start(
    given: dict[str, str], words: str, store: LocalStore
) -> None:
    settings = KubernetesSettings.model_validate({"store_url": "s3+http://a:b@store:9000/stentor"} | given)
    with pytest.raises(Unavailable, match=words):
        await KubernetesDriver.open(settings, store, "file:/data")


@pytest.mark.usefixtures("no_images")
async def test_what_a_gateway_misses_of_its_pods_it_asks_for(
    gateway: Gateway, revision: Revision, tell: LogLine, local_cluster: LocalCluster
) -> None:
    """A watch that was cut off for too long cannot go on."""
    fleet = await gateway().fleet(revision(MODEL), tell)
    await fleet.scale(1)
    await trouble_of(fleet)
    local_cluster.objects.forget_history()
    pod = local_cluster.pods()[0]["metadata"]["name"]
    full = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "all are full"}
    local_cluster.objects.status("pods", "models", pod, conditions=[full])
    async with asyncio.timeout(10):
        while "all are full" not in str(fleet.trouble):
            await fleet.changed()


@pytest.mark.usefixtures("no_images")
async def test_whoever_wakes_a_model_is_not_told_why_it_did_not_start_last_time(
    gateway: Gateway, revision: Revision, tell: LogLine
) -> None:
    fleet = await gateway().fleet(revision(MODEL), tell)
    await fleet.scale(1)
    await trouble_of(fleet)
    await fleet.scale(0)
    assert fleet.trouble is not None
    await fleet.scale(1)
    assert fleet.trouble is None
    assert "cannot be had" in await trouble_of(fleet)
