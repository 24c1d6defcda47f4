"""What is asked of the cluster for each revision, as manifests.

A pod has two containers that run one after the other: `delivery`, which is ours, knows the object store and
unpacks the files; and `model`, which knows nothing but those files, read-only, and a scratch folder.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from stentor_deploy.errors import Unsupported
from stentor_deploy.running import RunSpec
from stentor_deploy.running.kubernetes.cluster import Object
from stentor_deploy.running.kubernetes.pods import MODEL
from stentor_deploy.running.kubernetes.settings import KubernetesSettings

MIB = 1024**2
PORT = 8000
FILES, SCRATCH, GIVEN = "/model", "/scratch", "/given"
"""Folders of a model's container: its files, what it may write to, and what it is told."""

SOME_DISK = {"ephemeral-storage": "1Gi"}
"""What is kept free of a node's disk; without a word it would be all that a pod may use."""
NOTICE_SECONDS = 1
"""Gateways learn of a new pod within this time, before it takes the place of an old one."""

READY = f"{SCRATCH}/.ready"
"""Is there once the model is loaded."""
TOKEN = "token"  # noqa: S105 - the name of a file
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

REVISION = "stentor/revision"
ENVIRONMENT = "stentor/environment"
STAMP = "stentor/given"
"""Annotation: changes with what a model is told, so that its pods are replaced then."""

PRIVATE = ["10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"]
PRIVATE_6 = ["fc00::/7", "fe80::/10"]
"""Not reached even by models that are allowed the network: the cluster, and where clouds tell credentials."""


@dataclass(frozen=True, slots=True)
class Manifests:
    settings: KubernetesSettings
    gateway_namespace: str

    def labels(self, component: str, **more: str) -> dict[str, str]:
        """Of everything that is made here; `component` is `model` or `build`."""
        return {
            "app.kubernetes.io/name": f"stentor-{component}",
            "app.kubernetes.io/instance": self.settings.instance,
            "app.kubernetes.io/managed-by": "stentor",
        } | more

    def of_revision(self, revision: str) -> dict[str, str]:
        return self.labels("model", **{REVISION: revision})

    def secret(self, name: str, labels: dict[str, str], content: Mapping[str, str]) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "type": "Opaque",
            "data": {key: base64.b64encode(text.encode()).decode() for key, text in content.items()},
        }

    def service(self, spec: RunSpec) -> Object:
        """For people and their monitoring; gateways connect to pods."""
        labels = self.of_revision(spec.revision)
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name_of(spec.revision), "labels": labels},
            "spec": {
                "clusterIP": "None",
                "selector": labels,
                "ports": [{"name": "stentor", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
            },
        }

    def network_policy(self, spec: RunSpec) -> Object:
        labels = self.of_revision(spec.revision)
        home = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.gateway_namespace}}}
        gateways = home | {"podSelector": {"matchLabels": self.settings.gateway_labels}}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name_of(spec.revision), "labels": labels},
            "spec": {
                "podSelector": {"matchLabels": labels},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [gateways], "ports": [{"port": PORT, "protocol": "TCP"}]}],
                "egress": [
                    *(self.settings.egress or [_dns(), {"to": [home]}]),
                    *([_internet()] if spec.network else []),
                ],
            },
        }

    def build_policy(self) -> Object:
        """Nobody reaches a build; it reaches package indexes, wherever these are, but not where clouds tell
        credentials to whoever asks."""
        labels = self.labels("build")
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": f"{self.settings.instance}-build", "labels": labels},
            "spec": {
                "podSelector": {"matchLabels": labels},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [],
                "egress": [
                    {"ports": _dns()["ports"]},
                    {
                        "to": [
                            # Some network plugins do not take pods for addresses.
                            {"namespaceSelector": {}},
                            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
                            {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10", "fd00:ec2::254/128"]}},
                        ]
                    },
                ],
            },
        }

    def deployment(self, spec: RunSpec, stamp: str) -> Object:
        """Without a number of replicas: see `wishes`."""
        labels = self.of_revision(spec.revision)
        # A second pod with the same accelerator may never find room.
        spare = {"maxSurge": 0, "maxUnavailable": 1} if spec.gpus else {"maxSurge": 1, "maxUnavailable": 0}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": name_of(spec.revision),
                "labels": labels | {ENVIRONMENT: spec.environment[:40]},
            },
            "spec": {
                "selector": {"matchLabels": labels},
                "revisionHistoryLimit": 0,
                "minReadySeconds": NOTICE_SECONDS,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": spare},
                "template": {
                    "metadata": {"labels": labels, "annotations": {STAMP: stamp}},
                    "spec": self._pod(spec),
                },
            },
        }

    def _pod(self, spec: RunSpec) -> Object:
        return {
            **self.pod(),
            "nodeSelector": self.settings.node_selector | self._gpu_nodes(spec),
            "tolerations": self.settings.tolerations + (self.settings.gpu_tolerations if spec.gpus else []),
            "terminationGracePeriodSeconds": self.settings.drain_seconds,
            "initContainers": [self._delivery(spec)],
            "containers": [self._model(spec)],
            "volumes": [
                {"name": "files", "emptyDir": {"sizeLimit": str(self.settings.files_bytes)}},
                {"name": "scratch", "emptyDir": {"sizeLimit": str(spec.limits.scratch_bytes)}},
                {"name": "given", "secret": {"secretName": name_of(spec.revision), "defaultMode": 0o440}},
            ],
        }

    def pod(self) -> Object:
        """What all pods have in common: no rights, in the cluster or on the node."""
        user = self.settings.run_as_user
        pod: Object = {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": user,
                "runAsGroup": user,
                "fsGroup": user,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
        if self.settings.runtime_class:
            pod["runtimeClassName"] = self.settings.runtime_class
        if self.settings.image_pull_secrets:
            pod["imagePullSecrets"] = [{"name": name} for name in self.settings.image_pull_secrets]
        return pod

    def container(self, name: str, command: list[str], mounts: Mapping[str, str], **more: Any) -> Object:
        """With the image, and without rights. `mounts`: name of a volume to its folder, `:ro` behind it
        where it is only read."""
        container: Object = {
            "name": name,
            "image": self.settings.image,
            "command": command,
            "volumeMounts": [_mount(volume, path) for volume, path in mounts.items()],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            **more,
        }
        if self.settings.image_pull_policy:
            container["imagePullPolicy"] = self.settings.image_pull_policy
        return container

    def _delivery(self, spec: RunSpec) -> Object:
        command = ["python", "-m", "stentor_deploy.delivery", "fetch", spec.revision, spec.environment, FILES]
        disk = {"ephemeral-storage": str(self.settings.files_bytes)}
        return self.container(
            "delivery",
            command,
            {"files": FILES},
            env=[from_secret("STENTOR_STORE_URL", delivery_secret(self.settings), "url")],
            resources={
                "requests": {"cpu": "100m", "memory": "128Mi"} | SOME_DISK,
                "limits": {"cpu": "2", "memory": "512Mi"} | disk,
            },
        )

    def _model(self, spec: RunSpec) -> Object:
        limits = spec.limits
        memory = {"memory": f"{ceil(limits.memory_bytes / MIB)}Mi"}
        gpus = {self.settings.gpu_resource: str(spec.gpus)} if spec.gpus else {}
        disk = {"ephemeral-storage": str(limits.scratch_bytes + self.settings.files_bytes)}
        processor = f"{round(min(self.settings.cpu_request, limits.threads) * 1000)}m"
        return self.container(
            MODEL,
            _run(spec),
            {"files": f"{FILES}:ro", "given": f"{GIVEN}:ro", "scratch": SCRATCH},
            env=_variables(spec),
            ports=[{"name": "stentor", "containerPort": PORT, "protocol": "TCP"}],
            readinessProbe={"exec": {"command": ["cat", READY]}, "periodSeconds": 2},
            resources={
                "requests": {"cpu": processor} | SOME_DISK | memory | gpus,
                "limits": {"cpu": str(limits.threads)} | memory | gpus | disk,
            },
        )

    def _gpu_nodes(self, spec: RunSpec) -> dict[str, str]:
        """Raises Unsupported for an accelerator that no nodes are known for."""
        if not spec.gpus or spec.gpu in (None, "any"):
            return {}
        for name, labels in self.settings.gpu_nodes.items():
            if name.casefold() == str(spec.gpu).casefold():
                return labels
        known = ", ".join(sorted(self.settings.gpu_nodes)) or "none"
        raise Unsupported(
            "resources.accelerator", f"this cluster has no {spec.gpu}; its accelerators are: {known}"
        )


def name_of(revision: str) -> str:
    """Of the objects of a revision. Raises ValueError for what cannot be part of a name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", revision):
        raise ValueError(f"{revision!r} cannot be part of a name in a cluster")
    return f"model-{revision}"


def given(spec: RunSpec) -> dict[str, str]:
    """What a model is told, as files of its secret besides the token of its callers."""
    return {"config.json": json.dumps(dict(spec.config)), "secrets.json": json.dumps(dict(spec.secrets))}


def delivery_secret(settings: KubernetesSettings, purpose: str = "delivery") -> str:
    """Name of the secret with the address of the object store."""
    return f"{settings.instance}-{purpose}"


def _run(spec: RunSpec) -> list[str]:
    """See `runner/README.md`. Models of all gateways' calls: it listens at the pod's address only."""
    return [
        f"{FILES}/environment/bin/python",
        f"{FILES}/runner/main.py",
        *("--listen", f"tcp:$(POD_IP):{PORT}"),
        *("--package", f"{FILES}/package"),
        *("--config", f"{GIVEN}/config.json"),
        *("--secrets", f"{GIVEN}/secrets.json"),
        *("--token", f"{GIVEN}/{TOKEN}"),
        *("--ready", READY),
        *("--concurrency", str(spec.concurrency)),
        *("--answer-bytes", str(spec.limits.answer_bytes)),
    ]


def _variables(spec: RunSpec) -> list[Object]:
    threads = dict.fromkeys(THREADS, str(spec.limits.threads))
    values = threads | dict(spec.variables) | {"HOME": SCRATCH, "TMPDIR": SCRATCH}
    values.pop("POD_IP", None)
    # The cluster would put other variables in the place of `$(NAME)`.
    plain = [{"name": name, "value": value.replace("$(", "$$(")} for name, value in values.items()]
    return [{"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}, *plain]


def from_secret(variable: str, secret: str, key: str) -> Object:
    return {"name": variable, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _mount(volume: str, path: str) -> Object:
    folder, _, read_only = path.partition(":")
    return {"name": volume, "mountPath": folder} | ({"readOnly": True} if read_only else {})


def _dns() -> Object:
    return {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
    }


def _internet() -> Object:
    return {
        "to": [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": PRIVATE}},
            {"ipBlock": {"cidr": "::/0", "except": PRIVATE_6}},
        ]
    }
