"""What is asked of a cluster, checked against the schemas of several of its versions."""

import re
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest

from stentor_deploy.errors import Unsupported
from stentor_deploy.running import Limits, RunSpec
from stentor_deploy.running.kubernetes.manifests import Manifests, name_of
from stentor_deploy.running.kubernetes.settings import KubernetesSettings

Revision = Callable[..., RunSpec]
GPUS = {"T4": {"nvidia.com/gpu.product": "Tesla-T4"}}


@pytest.fixture
def manifests(kubernetes_settings: KubernetesSettings) -> Manifests:
    return Manifests(kubernetes_settings, "stentor")


def everything(manifests: Manifests, spec: RunSpec) -> list[dict[str, Any]]:
    return [
        manifests.secret(name_of(spec.revision), manifests.of_revision(spec.revision), {"token": "x"}),
        manifests.service(spec),
        manifests.network_policy(spec),
        manifests.deployment(spec, "stamp"),
    ]


def pod_of(manifests: Manifests, spec: RunSpec) -> dict[str, Any]:
    pod: dict[str, Any] = manifests.deployment(spec, "stamp")["spec"]["template"]["spec"]
    return pod


def containers_of(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["initContainers"], *pod["containers"]]


@pytest.mark.parametrize("version", ["1.29", "1.33", "1.37"])
def test_they_keep_to_the_schemas_of_kubernetes(revision: Revision, version: str) -> None:
    settings = KubernetesSettings(
        image="stentor:1",
        image_pull_policy="Always",
        image_pull_secrets=["registry"],
        runtime_class="gvisor",
        node_selector={"pool": "models"},
        tolerations=[{"key": "models", "operator": "Exists"}],
        gpu_nodes=GPUS,
    )
    spec = revision(gpu="t4", gpus=2, network=True, variables={"MODE": "fast"})
    for manifest in everything(Manifests(settings, "stentor"), spec):
        kubernetes_validate.validate(manifest, version, strict=True)


def test_pods_have_no_rights(manifests: Manifests, revision: Revision) -> None:
    """The profile `restricted` of the Pod Security Standards, and no credentials of the cluster."""
    pod = pod_of(manifests, revision())
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any("hostPath" in volume for volume in pod["volumes"])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in containers_of(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_models_may_write_to_their_scratch_folder_alone(manifests: Manifests, revision: Revision) -> None:
    (model,) = pod_of(manifests, revision())["containers"]
    writable = [mount["mountPath"] for mount in model["volumeMounts"] if not mount.get("readOnly")]
    assert writable == ["/scratch"]


def test_only_the_delivery_knows_the_object_store(manifests: Manifests, revision: Revision) -> None:
    pod = pod_of(manifests, revision())
    (delivery,), (model,) = pod["initContainers"], pod["containers"]
    assert [one["name"] for one in delivery["env"]] == ["STENTOR_STORE_URL"]
    assert "secretKeyRef" in delivery["env"][0]["valueFrom"]
    assert "STENTOR_STORE_URL" not in [one["name"] for one in model["env"]]


def test_secrets_of_a_model_stand_in_no_deployment(manifests: Manifests, revision: Revision) -> None:
    deployment = manifests.deployment(revision(secrets={"hf_token": "hf-private"}), "stamp")
    assert "hf-private" not in str(deployment)


def test_a_replica_gets_the_memory_and_cores_it_asks_for(manifests: Manifests, revision: Revision) -> None:
    limits = Limits(memory_bytes=3 * 1024**3, threads=4, scratch_bytes=1024**3)
    pod = pod_of(manifests, revision(limits=limits))
    resources = pod["containers"][0]["resources"]
    assert resources["limits"]["memory"] == resources["requests"]["memory"] == "3072Mi"
    assert resources["limits"]["cpu"] == "4"
    assert resources["requests"]["cpu"] == "100m"
    assert int(resources["limits"]["ephemeral-storage"]) > 1024**3
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["scratch"]["emptyDir"]["sizeLimit"] == str(1024**3)
    assert {"name": "OMP_NUM_THREADS", "value": "4"} in pod["containers"][0]["env"]


def test_a_named_accelerator_leads_to_nodes_that_have_it(revision: Revision) -> None:
    manifests = Manifests(KubernetesSettings(image="stentor:1", gpu_nodes=GPUS), "stentor")
    deployment = manifests.deployment(revision(gpu="t4", gpus=1), "stamp")
    pod = deployment["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "Tesla-T4"}
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    # An accelerator that is taken is free only when the old pod has ended.
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_any_accelerator_will_do_where_none_is_named(manifests: Manifests, revision: Revision) -> None:
    pod = pod_of(manifests, revision(gpu="any", gpus=1))
    assert pod["nodeSelector"] == {}
    assert pod["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_an_accelerator_that_the_cluster_lacks_is_refused_by_name(revision: Revision) -> None:
    manifests = Manifests(KubernetesSettings(image="stentor:1", gpu_nodes=GPUS), "stentor")
    with pytest.raises(Unsupported, match=re.escape("this cluster has no H100; its accelerators are: T4")):
        manifests.deployment(revision(gpu="H100", gpus=1), "stamp")


def test_only_gateways_reach_a_model(manifests: Manifests, revision: Revision) -> None:
    policy = manifests.network_policy(revision())["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    ((rule),) = policy["ingress"]
    (who,) = rule["from"]
    assert who["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "stentor"}
    assert who["podSelector"]["matchLabels"] == {"app.kubernetes.io/part-of": "stentor"}


def test_models_reach_nothing_outside_unless_they_may(manifests: Manifests, revision: Revision) -> None:
    def blocks(spec: RunSpec) -> list[dict[str, Any]]:
        egress = manifests.network_policy(spec)["spec"]["egress"]
        return [peer["ipBlock"] for rule in egress for peer in rule["to"] if "ipBlock" in peer]

    assert blocks(revision()) == []
    everything, _ = blocks(revision(network=True))
    assert everything["cidr"] == "0.0.0.0/0"
    # Where clouds give credentials to whoever asks, and the cluster's own networks.
    assert {"169.254.0.0/16", "10.0.0.0/8"} <= set(everything["except"])


def test_values_of_variables_are_taken_as_they_are(manifests: Manifests, revision: Revision) -> None:
    """A cluster would replace `$(POD_IP)` otherwise."""
    spec = revision(variables={"FORMAT": "$(POD_IP)", "POD_IP": "1.1.1.1", "HOME": "/elsewhere"})
    variables = {one["name"]: one for one in pod_of(manifests, spec)["containers"][0]["env"]}
    assert variables["FORMAT"]["value"] == "$$(POD_IP)"
    assert "valueFrom" in variables["POD_IP"]
    assert variables["HOME"]["value"] == "/scratch"


def test_a_revision_that_makes_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be part of a name"):
        name_of("../other")
