"""The controllers of Deployments and Jobs: they make pods and say how these do."""

import asyncio
import hashlib
import json
import secrets
from datetime import UTC, datetime
from typing import Any

from stentor_dev.cluster.objects import Event, Manifest, Objects, Refused
from stentor_dev.cluster.pods import Node

HASH = "pod-template-hash"


class Controllers:
    """They act on each event, at once. Between a Deployment and its pods stands no ReplicaSet here."""

    def __init__(self, objects: Objects, node: Node) -> None:
        self._objects = objects
        self._node = node

    def changed(self, event: Event) -> None:
        one = event.after or event.before
        assert one is not None
        namespace = one["metadata"]["namespace"]
        if event.plural == "pods":
            for owner in one["metadata"].get("ownerReferences", []):
                plural = "deployments" if owner["kind"] == "Deployment" else "jobs"
                self._look(plural, namespace, owner["name"])
        elif event.plural in ("deployments", "jobs") and event.after:
            self._look(event.plural, namespace, one["metadata"]["name"])

    def _look(self, plural: str, namespace: str, name: str) -> None:
        try:
            owner = self._objects.read(plural, namespace, name)
        except Refused:
            return
        pods = [pod for kind, pod in self._objects.owned_by(owner["metadata"]["uid"]) if kind == "pods"]
        if plural == "jobs":
            self._job(owner, pods)
        else:
            self._deployment(owner, pods)

    def _deployment(self, owner: Manifest, pods: list[Manifest]) -> None:
        """New pods first, old ones end when these are ready, as with `maxUnavailable: 0`."""
        namespace, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        template = owner["spec"]["template"]
        stamp = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        alive = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
        new = [pod for pod in alive if pod["metadata"]["labels"][HASH] == stamp]
        old = [pod for pod in alive if pod["metadata"]["labels"][HASH] != stamp]
        replicas = owner["spec"]["replicas"]
        ready = [pod for pod in new if ready_seconds(pod) is not None]
        available = self._available(owner, ready)
        failure: list[dict[str, Any]] = []
        if len(new) < replicas and self._node.pod_quota is not None and len(pods) >= self._node.pod_quota:
            message = f"pods are forbidden: exceeded quota: pods={self._node.pod_quota}"
            failure = [
                {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
            ]
        elif len(new) < replicas:
            self._make(owner, "Deployment", template, {HASH: stamp})
            return  # The event of the new pod brings us here again.
        surplus = new[replicas:] + (old if len(available) >= replicas else [])
        for pod in surplus:
            grace = template["spec"].get("terminationGracePeriodSeconds", 30)
            self._objects.mark_deleted("pods", namespace, pod["metadata"]["name"], grace)
        self._objects.status(
            "deployments",
            namespace,
            name,
            observedGeneration=owner["metadata"]["generation"],
            replicas=len(alive),
            readyReplicas=len(ready),
            availableReplicas=len(available),
            conditions=failure,
        )

    def _available(self, owner: Manifest, ready: list[Manifest]) -> list[Manifest]:
        """Those that have been ready for long enough; it looks again when others have."""
        namespace, least = owner["metadata"]["namespace"], owner["spec"].get("minReadySeconds", 0)
        missing = [least - (ready_seconds(pod) or 0) for pod in ready]
        name = owner["metadata"]["name"]
        if later := [seconds for seconds in missing if seconds > 0]:
            loop = asyncio.get_running_loop()
            loop.call_later(min(later) + 0.01, self._look, "deployments", namespace, name)
        return [pod for pod, seconds in zip(ready, missing, strict=True) if seconds <= 0]

    def _job(self, owner: Manifest, pods: list[Manifest]) -> None:
        namespace, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        if owner["status"].get("conditions"):
            return
        if not pods:
            self._make(owner, "Job", owner["spec"]["template"], {"batch.kubernetes.io/job-name": name})
            return
        ends = {"Succeeded": "Complete", "Failed": "Failed"}
        if found := ends.get(pods[0]["status"].get("phase", "")):
            self._objects.status("jobs", namespace, name, conditions=[{"type": found, "status": "True"}])

    def _make(self, owner: Manifest, kind: str, template: Manifest, labels: dict[str, str]) -> None:
        metadata = owner["metadata"]
        self._objects.create(
            "pods",
            metadata["namespace"],
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    **template.get("metadata", {}),
                    "name": f"{metadata['name']}-{secrets.token_hex(3)}",
                    "labels": {**template.get("metadata", {}).get("labels", {}), **labels},
                    "ownerReferences": [
                        {
                            "apiVersion": owner["apiVersion"],
                            "kind": kind,
                            "name": metadata["name"],
                            "uid": metadata["uid"],
                            "controller": True,
                        }
                    ],
                },
                "spec": template["spec"],
                "status": {"phase": "Pending"},
            },
        )


def ready_seconds(pod: Manifest) -> float | None:
    """How long it has been ready; None while it is not."""
    for condition in pod["status"].get("conditions", []):
        if condition["type"] == "Ready" and condition["status"] == "True":
            return (
                datetime.now(UTC) - datetime.fromisoformat(condition["lastTransitionTime"])
            ).total_seconds()
    return None
