"""What is said to an API server and understood of it. The one here keeps to the rules of real ones: this
also says what the other tests of the cluster stand on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.aio.client import ApiClient, Configuration, CoreV1Api, V1ConfigMap, V1ObjectMeta
from kubernetes.aio.client.exceptions import ApiException

from stentor_common.errors import Unavailable
from stentor_deploy.running.kubernetes.cluster import (
    CONFIG_MAP,
    DEPLOYMENT,
    SECRET,
    Cluster,
    Conflicting,
    TooOld,
)
from stentor_deploy.running.kubernetes.settings import KubernetesSettings
from stentor_dev.cluster import LocalCluster

Manifest = dict[str, Any]


def config_map(name: str = "a", labels: dict[str, str] | None = None, **data: str) -> Manifest:
    metadata = {"name": name, "labels": labels or {"color": "red"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(image: str = "stentor:1", **spec: Any) -> Manifest:
    labels = {"app": "a"}
    pod = {"containers": [{"name": "model", "image": image}], "nodeSelector": {"pool": "none"}}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": template} | spec,
    }


@pytest.fixture
def cluster(connect: Callable[[], Cluster], local_cluster: LocalCluster) -> Cluster:
    local_cluster.allowed["configmaps"] |= {"get", "watch"}
    return connect()


async def test_objects_are_made_read_and_deleted(cluster: Cluster) -> None:
    made = await cluster.create(config_map(key="value"))
    assert made["metadata"]["uid"]
    assert await cluster.read(CONFIG_MAP, "a") == made
    with pytest.raises(Conflicting, match="already exists"):
        await cluster.create(config_map())
    await cluster.delete(CONFIG_MAP, "a")
    assert await cluster.read(CONFIG_MAP, "a") is None
    await cluster.delete(CONFIG_MAP, "a")


async def test_lists_hold_what_has_all_labels(cluster: Cluster) -> None:
    await cluster.create(config_map("a", {"color": "red", "size": "s"}))
    await cluster.create(config_map("b", {"color": "red", "size": "m"}))
    await cluster.create(config_map("c", {"color": "blue", "size": "s"}))
    found, _ = await cluster.find(CONFIG_MAP, {"color": "red", "size": "s"})
    assert [one["metadata"]["name"] for one in found] == ["a"]
    having, _ = await cluster.find(CONFIG_MAP, {"size": ""})
    assert len(having) == 3


async def test_applying_makes_and_then_changes(cluster: Cluster) -> None:
    first = await cluster.apply(config_map(a="1", b="2"))
    again = await cluster.apply(config_map(a="1", b="2"))
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    changed = await cluster.apply(config_map(a="3"))
    # What was applied before and is not said any more is gone.
    assert changed["data"] == {"a": "3"}


async def test_applying_leaves_alone_what_others_have_said(cluster: Cluster) -> None:
    await cluster.apply(deployment())
    scaled = await cluster.merge(DEPLOYMENT, "a", {"spec": {"replicas": 3}})
    assert scaled is not None
    applied = await cluster.apply(deployment("stentor:2"))
    assert applied["spec"]["replicas"] == 3
    assert applied["spec"]["template"]["spec"]["containers"] == [{"name": "model", "image": "stentor:2"}]


async def test_a_change_of_an_older_version_is_refused(cluster: Cluster) -> None:
    old = await cluster.apply(config_map(a="1"))
    version = old["metadata"]["resourceVersion"]
    await cluster.apply(config_map(a="2"))
    with pytest.raises(Conflicting, match="has been modified"):
        await cluster.merge(CONFIG_MAP, "a", {"metadata": {"resourceVersion": version}, "data": {"a": "3"}})
    assert await cluster.merge(CONFIG_MAP, "none", {"data": {"a": "3"}}) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (deployment(replicas="three"), "is not of type 'integer'"),
        (deployment(replicaz=3), "'replicaz' was unexpected"),
        (config_map("UPPER"), "metadata.name: Invalid value"),
        (config_map("a", {"color": "x" * 64}), "label color"),
    ],
)
async def test_what_is_wrong_with_a_manifest_is_told(cluster: Cluster, wrong: Manifest, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        await cluster.create(wrong)


async def next_event(events: AsyncIterator[tuple[str, Manifest]]) -> tuple[str, str]:
    async with asyncio.timeout(5):
        kind, one = await anext(events)
    return kind, one["metadata"]["name"]


async def test_a_watch_tells_what_happens_from_where_a_list_ended(cluster: Cluster) -> None:
    await cluster.create(config_map("before"))
    _, version = await cluster.find(CONFIG_MAP, {"color": "red"})
    await cluster.create(config_map("missed"))
    events = cluster.watch(CONFIG_MAP, {"color": "red"}, version)
    async with aclosing(events):
        assert await next_event(events) == ("ADDED", "missed")
        await cluster.create(config_map("other", {"color": "blue"}))
        await cluster.apply(config_map("missed", key="x" * 300_000))
        assert await next_event(events) == ("MODIFIED", "missed")
        await cluster.merge(CONFIG_MAP, "missed", {"metadata": {"labels": {"color": "blue"}}})
        assert await next_event(events) == ("DELETED", "missed")
        await cluster.delete(CONFIG_MAP, "before")
        assert await next_event(events) == ("DELETED", "before")


async def test_a_watch_from_long_ago_has_to_begin_anew(cluster: Cluster, local_cluster: LocalCluster) -> None:
    await cluster.create(config_map())
    _, version = await cluster.find(CONFIG_MAP, {"color": "red"})
    local_cluster.objects.forget_history()
    events = cluster.watch(CONFIG_MAP, {"color": "red"}, version)
    with pytest.raises(TooOld):
        await anext(events)


async def test_what_is_not_allowed_is_told_with_what_it_was(
    cluster: Cluster, local_cluster: LocalCluster
) -> None:
    local_cluster.allowed["secrets"].remove("get")
    with pytest.raises(Unavailable, match=r"does not allow GET .*secrets/a: cannot get resource 'secrets'"):
        await cluster.read(SECRET, "a")
    local_cluster.token = "another"
    with pytest.raises(Unavailable, match=r"does not allow GET .*: Unauthorized"):
        await cluster.read(SECRET, "a")


async def test_the_official_client_understands_this_server_too(local_cluster: LocalCluster) -> None:
    key = {"BearerToken": local_cluster.token}
    configuration = Configuration(
        host=local_cluster.url, api_key=key, api_key_prefix={"BearerToken": "Bearer"}
    )
    async with ApiClient(configuration) as client:
        api = CoreV1Api(client)
        wanted = V1ConfigMap(metadata=V1ObjectMeta(name="a", labels={"color": "red"}), data={"key": "value"})
        made = await api.create_namespaced_config_map("models", wanted)
        assert made.metadata is not None
        assert made.metadata.resource_version
        with pytest.raises(ApiException) as refused:
            await api.create_namespaced_config_map("models", wanted)
        assert refused.value.status == 409
        listed = await api.list_namespaced_config_map("models", label_selector="color=blue")
        assert listed.items == []


async def test_credentials_are_taken_from_a_kubeconfig(local_cluster: LocalCluster, tmp_path: Path) -> None:
    local_cluster.allowed["configmaps"] |= {"get"}
    context = {"cluster": "here", "user": "stentor", "namespace": "default"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": local_cluster.url}}],
        "users": [{"name": "stentor", "user": {"token": local_cluster.token}}],
        "contexts": [{"name": "one", "context": context}],
        "current-context": "none",
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    opened = await Cluster.open(KubernetesSettings(kubeconfig=path, context="one", namespace="models"))
    await opened.create(config_map())
    assert await opened.read(CONFIG_MAP, "a") is not None
    await opened.close()
