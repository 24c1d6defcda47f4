"""What the states of pods, as clusters tell them, mean for whoever waits for a model."""

from typing import Any

import pytest

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.errors import ModelLost
from stentor_deploy.running.kubernetes import pods

Pod = dict[str, Any]


def pod(state: Pod, *, init: Pod | None = None, last: Pod | None = None, **status: Any) -> Pod:
    containers = [
        {"name": "model", "image": "stentor:1", "restartCount": 2, "state": state, "lastState": last or {}}
    ]
    first = [{"name": "delivery", "image": "stentor:1", "state": init}] if init else []
    told = {
        "phase": "Running",
        "podIP": "10.1.2.3",
        "containerStatuses": containers,
        "initContainerStatuses": first,
    }
    spec = {"containers": [{"name": "model", "resources": {"limits": {"memory": "512Mi"}}}]}
    metadata = {"name": "model-a-1", "creationTimestamp": "2026-05-01T12:00:00Z"}
    return {"metadata": metadata, "spec": spec, "status": told | status}


RUNNING: Pod = {"running": {"startedAt": "2026-05-01T12:00:00Z"}}
BACK_OFF: Pod = {"waiting": {"reason": "CrashLoopBackOff"}}
CREATING: Pod = {"waiting": {"reason": "ContainerCreating"}}


def test_a_pod_can_be_reached_while_its_container_runs() -> None:
    assert pods.address(pod(RUNNING)) == "10.1.2.3"
    assert pods.address(pod(BACK_OFF)) is None
    assert pods.address(pod(RUNNING, phase="Pending")) is None


def test_a_pod_that_is_asked_to_end_gets_no_more_calls() -> None:
    ending = pod(RUNNING)
    ending["metadata"]["deletionTimestamp"] = "2026-05-01T12:00:00Z"
    assert pods.address(ending) is None


def test_there_is_no_trouble_while_things_take_their_time() -> None:
    assert pods.trouble(pod(CREATING)) is None
    assert pods.trouble(pod(RUNNING, init={"terminated": {"exitCode": 0}})) is None
    assert pods.trouble(pod(RUNNING, last={"terminated": {"exitCode": 1}})) is None


@pytest.mark.parametrize(
    ("seen", "kind", "words"),
    [
        (
            pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}),
            Unavailable,
            "the image stentor:1 cannot be had (ImagePullBackOff): not found",
        ),
        (
            pod(CREATING, init={"waiting": {"reason": "ErrImagePull", "message": "denied"}}),
            Unavailable,
            "the image stentor:1 cannot be had (ErrImagePull): denied",
        ),
        (
            pod(CREATING, init={"terminated": {"exitCode": 1, "message": "so far\nerror: no such object"}}),
            Unavailable,
            "the model's files could not be brought into its pod: no such object",
        ),
        (
            pod(
                CREATING,
                conditions=[{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/3 nodes"}],
            ),
            Unavailable,
            "no node of the cluster has room for the model: 0/3 nodes",
        ),
        (
            pod(BACK_OFF, last={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
            ModelLost,
            "the model used more memory than its 512Mi and was ended",
        ),
        (
            pod({"terminated": {"exitCode": 3, "reason": "Error"}}),
            ModelLost,
            "the model's process ended with status 3",
        ),
        (
            pod(RUNNING, phase="Failed", reason="Evicted", message="low on ephemeral-storage"),
            ModelLost,
            "the cluster ended the model: low on ephemeral-storage",
        ),
    ],
)
def test_what_keeps_a_model_from_running_is_said(seen: Pod, kind: type[AppError], words: str) -> None:
    trouble = pods.trouble(seen)
    assert type(trouble) is kind
    assert str(trouble) == words


def test_restarts_of_its_container_are_counted() -> None:
    assert pods.restarts(pod(RUNNING)) == 2


def test_pods_that_cannot_even_be_made_are_explained_by_their_deployment() -> None:
    failure = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: models"}
    said = pods.not_made({"status": {"conditions": [failure]}})
    assert str(said) == "the cluster makes no pod for the model: exceeded quota: models"
    assert pods.not_made({"status": {"conditions": [{"type": "Available", "status": "True"}]}}) is None
    assert pods.not_made({}) is None


def test_containers_that_a_cluster_puts_beside_the_model_do_not_count() -> None:
    seen = pod(BACK_OFF)
    proxy = {"name": "istio-proxy", "image": "proxy:1", "restartCount": 7, "state": RUNNING, "lastState": {}}
    seen["status"]["containerStatuses"].insert(0, proxy)
    assert pods.address(seen) is None
    assert pods.restarts(seen) == 2
