"""What the state of a pod means for who waits for a model in it."""

from datetime import UTC, datetime
from typing import Any

from stentor_common.errors import AppError, Unavailable
from stentor_deploy.delivery import LAST_WORDS
from stentor_deploy.errors import ModelLost
from stentor_deploy.running.kubernetes.cluster import Object

MODEL = "model"
"""Name of the container."""
NO_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
NO_CONTAINER = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def address(pod: Object) -> str | None:
    """Where to reach its model: once its container runs, until it is asked to end."""
    if pod["metadata"].get("deletionTimestamp") or pod["status"].get("phase") != "Running":
        return None
    if not any("running" in status.get("state", {}) for status in _containers(pod)):
        return None
    found: str | None = pod["status"].get("podIP")
    return found


def restarts(pod: Object) -> int:
    return sum(int(status.get("restartCount", 0)) for status in _containers(pod))


def incarnation(pod: Object) -> str:
    """Changes when its container is started anew."""
    return ",".join(str(status.get("containerID", "")) for status in _containers(pod))


def trouble(pod: Object, node_seconds: float = 0) -> AppError | None:
    """Why it does not run, if that is known and will not pass by waiting a moment; a pod that is younger than
    `node_seconds` may wait for a node."""
    if pod["metadata"].get("deletionTimestamp"):
        return None  # It was told to end: the one that follows says how things are.
    if (why := unplaced(pod)) and _age(pod) >= node_seconds:
        return Unavailable(f"no node of the cluster has room for the model: {why}")
    return _not_brought(pod) or _not_running(pod)


def unplaced(pod: Object) -> str | None:
    """Why no node takes it, as the scheduler says."""
    for condition in pod["status"].get("conditions") or []:
        if condition.get("reason") == "Unschedulable":
            return str(condition.get("message"))
    return None


def _age(pod: Object) -> float:
    """Seconds since it was made."""
    made = datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    return (datetime.now(UTC) - made).total_seconds()


def _not_brought(pod: Object) -> AppError | None:
    for status in pod["status"].get("initContainerStatuses") or []:
        if found := _waits(status):
            return found
        if ended := _ended(status):
            return Unavailable(f"the model's files could not be brought into its pod: {_words(ended)}")
    return None


def _not_running(pod: Object) -> AppError | None:
    for status in _containers(pod):
        if found := _waits(status):
            return found
        if ended := _ended(status):
            return _lost(ended, pod)
    if pod["status"].get("reason") == "Evicted":
        return ModelLost(f"the cluster ended the model: {pod['status'].get('message')}")
    return None


def not_made(deployment: Object) -> AppError | None:
    """Why a Deployment has fewer pods than it wants, as its controller says."""
    for condition in deployment.get("status", {}).get("conditions") or []:
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return Unavailable(f"the cluster makes no pod for the model: {condition.get('message')}")
    return None


def _containers(pod: Object) -> list[Object]:
    """Of the model's container: a cluster may put others beside it."""
    found: list[Object] = pod["status"].get("containerStatuses") or []
    return [status for status in found if status["name"] == MODEL]


def _waits(status: Object) -> AppError | None:
    waiting = status.get("state", {}).get("waiting", {})
    reason, message = waiting.get("reason"), waiting.get("message")
    if reason in NO_IMAGE:
        return Unavailable(f"the image {status.get('image')} cannot be had ({reason}): {message}")
    if reason in NO_CONTAINER:
        return Unavailable(f"the model's container cannot be started ({reason}): {message}")
    return None


def _ended(status: Object) -> dict[str, Any] | None:
    """How it ended last, unless it runs (again) or ended well."""
    state = status.get("state", {})
    if "running" in state:
        return None
    ended: dict[str, Any] | None = state.get("terminated") or status.get("lastState", {}).get("terminated")
    return ended if ended and (ended.get("exitCode") or "waiting" in state) else None


def _lost(ended: dict[str, Any], pod: Object) -> AppError:
    if ended.get("reason") == "OOMKilled":
        limits = [one["resources"]["limits"] for one in pod["spec"]["containers"] if one["name"] == MODEL]
        return ModelLost(f"the model used more memory than its {limits[0]['memory']} and was ended")
    return ModelLost(f"the model's process ended with status {ended.get('exitCode')}")


def _words(ended: dict[str, Any]) -> str:
    """The last line that it said."""
    lines = str(ended.get("message") or "").strip().splitlines()
    return lines[-1].removeprefix(LAST_WORDS) if lines else f"it ended with status {ended.get('exitCode')}"
