"""No process of the chart has rights, or room, that it does not need."""

import re
from collections.abc import Callable
from typing import Any

from stentor_common.webhooks.intake import PORTS as WEBHOOK_PORTS
from stentor_deploy.running.kubernetes.permissions import PERMISSIONS

Object = dict[str, Any]
Pods = Callable[[list[Object]], dict[str, Object]]


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def test_pods_have_no_rights_on_the_node(objects: list[Object], pods: Pods) -> None:
    """What the "restricted" pod security standard asks for, and a root file system that is only read."""
    for name, pod in pods(objects).items():
        whole = pod["spec"]["securityContext"]
        assert whole["runAsNonRoot"], name
        assert whole["runAsUser"] >= 999
        assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod["spec"].keys()
        kinds = {kind for volume in pod["spec"]["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"emptyDir", "persistentVolumeClaim", "secret", "configMap"}
        for each in containers(pod):
            own = each["securityContext"]
            assert own["privileged"] is False
            assert own["allowPrivilegeEscalation"] is False
            assert own["readOnlyRootFilesystem"] is True
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert not any("hostPort" in port for port in each.get("ports", []))


def test_every_container_has_bounds(objects: list[Object], pods: Pods) -> None:
    for name, pod in pods(objects).items():
        for each in containers(pod):
            assert {"cpu", "memory"} <= each["resources"]["requests"].keys(), name
            assert {"cpu", "memory", "ephemeral-storage"} <= each["resources"]["limits"].keys(), name


def test_whatever_lasts_has_probes(objects: list[Object], pods: Pods) -> None:
    lasting = {name: pod for name, pod in pods(objects).items() if not name.startswith("Job/")}
    assert lasting
    for name, pod in lasting.items():
        for each in containers(pod):
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= each.keys(), name


def test_a_job_ends_at_some_time(objects: list[Object]) -> None:
    jobs = [each["spec"] for each in objects if each["kind"] == "Job"]
    assert jobs
    assert all(job["activeDeadlineSeconds"] > 0 for job in jobs)


def test_images_are_of_a_version(objects: list[Object], pods: Pods) -> None:
    images = {each["image"] for pod in pods(objects).values() for each in containers(pod)}
    for image in images:
        place, _, tag = image.rpartition(":")
        assert place
        assert tag not in ("", "latest")
        assert "/" not in tag, f"{image} has no tag"


def test_only_the_deploy_service_may_ask_the_cluster(objects: list[Object], pods: Pods) -> None:
    asking = {name for name, pod in pods(objects).items() if pod["spec"]["automountServiceAccountToken"]}
    accounts = {
        name
        for name, pod in pods(objects).items()
        if pod["spec"].get("serviceAccountName", "").endswith("-deploy")
    }
    assert asking == accounts
    assert {name.partition("-")[2] for name in asking} == {"deploy", "worker-deploy"}


def test_rights_in_the_cluster_are_for_the_namespace_of_the_models_alone(objects: list[Object]) -> None:
    kinds = {each["kind"] for each in objects}
    assert not {"ClusterRole", "ClusterRoleBinding"} & kinds
    roles = [each for each in objects if each["kind"] in ("Role", "RoleBinding")]
    assert {each["metadata"]["namespace"] for each in roles} == {"stentor-models"}
    for role in roles:
        for rule in role.get("rules", []):
            told = {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            assert not {"*", "escalate", "bind", "impersonate", "pods/exec", "roles"} & told


def test_the_deploy_service_may_do_what_it_does_and_no_more(everything: list[Object]) -> None:
    (role,) = [each for each in everything if each["kind"] == "Role"]
    allowed = {
        ".".join(filter(None, (resource, group))): frozenset(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert allowed == PERMISSIONS


def test_secrets_are_named_and_not_written_down(objects: list[Object], pods: Pods) -> None:
    for pod in pods(objects).values():
        for each in containers(pod):
            for variable in each["env"]:
                secret = re.search(r"PASSWORD|SECRET_KEY|TOKEN|SIGNING|COOKIE", variable["name"])
                if secret or re.search(r"(DATABASE|QUEUE|STORE)_URL$", variable["name"]):
                    assert "secretKeyRef" in variable["valueFrom"], variable["name"]


def test_pods_end_after_what_they_do_has(objects: list[Object], pods: Pods) -> None:
    """A process takes STENTOR_SHUTDOWN_SECONDS and a few more, after those in which it is told to nobody."""
    for name, pod in pods(objects).items():
        if name.startswith("Deployment/"):
            (own,) = pod["spec"]["containers"]
            variables = {each["name"]: each.get("value") for each in own["env"]}
            drain = own["lifecycle"]["preStop"]["sleep"]["seconds"]
            needed = drain + float(variables["STENTOR_SHUTDOWN_SECONDS"]) + 10
            assert pod["spec"]["terminationGracePeriodSeconds"] >= needed, name


def test_a_budget_never_keeps_a_node_from_being_drained(objects: list[Object], profile: str) -> None:
    """It counts who is missing and not who is there: of a single pod, too, one may go."""
    budgets = [each["spec"] for each in objects if each["kind"] == "PodDisruptionBudget"]
    assert budgets or profile == "laptop"
    for budget in budgets:
        assert "minAvailable" not in budget
        assert budget["maxUnavailable"] >= 1
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_nodes_that_are_kept_for_others_do_not_count_as_empty(everything: list[Object], pods: Pods) -> None:
    """With DoNotSchedule a tainted node without pods would let one pod onto each other node, and no more."""
    rules = [
        rule for pod in pods(everything).values() for rule in pod["spec"].get("topologySpreadConstraints", [])
    ]
    assert rules
    assert {(rule["whenUnsatisfiable"], rule["nodeTaintsPolicy"]) for rule in rules} == {
        ("DoNotSchedule", "Honor")
    }


def test_webhooks_may_leave_to_all_ports_that_the_product_takes(everything: list[Object]) -> None:
    open_ports = {
        port["port"]
        for each in everything
        if each["kind"] == "NetworkPolicy"
        for rule in each["spec"].get("egress", [])
        for peer in rule.get("to", [])
        if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0" and peer["ipBlock"].get("except")
        for port in rule["ports"]
    }
    assert open_ports == set(WEBHOOK_PORTS)


def test_everybody_is_cut_off_and_let_through_by_name(objects: list[Object], pods: Pods) -> None:
    policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]
    (nobody,) = [
        each["podSelector"]["matchLabels"]
        for each in policies
        if each["podSelector"] and not each.get("ingress") and not each.get("egress")
    ]
    own = [pod["metadata"]["labels"] for name, pod in pods(objects).items() if "StatefulSet" not in name]
    assert all(nobody.items() <= labels.items() for labels in own)
    # What a rule lets in or out is said: a rule without a peer must at least name ports.
    rules = [rule for each in policies for rule in (*each.get("ingress", []), *each.get("egress", []))]
    assert all(rule.get("ports") or rule.get("from") or rule.get("to") for rule in rules)


def test_nothing_but_the_ingress_and_monitoring_comes_in_from_outside(everything: list[Object]) -> None:
    outside = {
        tuple(peer["namespaceSelector"]["matchLabels"].values())
        for each in everything
        if each["kind"] == "NetworkPolicy" and "stentor-server" not in str(each["spec"]["podSelector"])
        for rule in each["spec"].get("ingress", [])
        for peer in rule["from"]
        if "namespaceSelector" in peer
    }
    assert outside == {("ingress-nginx",), ("monitoring",)}


def test_a_pod_with_an_accelerator_asks_for_it(everything: list[Object], pods: Pods) -> None:
    large = pods(everything)["Deployment/everything-worker-large"]["spec"]
    (own,) = large["containers"]
    gpus = {"example.com/gpu": "2"}
    assert own["resources"] == {
        "requests": {"cpu": "500m", "memory": "1Gi"} | gpus,
        "limits": {"cpu": "4", "memory": "4Gi", "ephemeral-storage": "8Gi"} | gpus,
    }
    assert large["runtimeClassName"] == "nvidia"
    assert {each["name"]: each.get("value") for each in own["env"]}["STENTOR_STT_DEVICE"] == "cuda"
