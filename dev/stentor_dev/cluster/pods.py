"""One pod: its containers, one after the other and again, and what is said of them."""

import asyncio
import contextlib
import signal
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stentor_dev.cluster.files import PodFiles
from stentor_dev.cluster.objects import Manifest, Objects
from stentor_dev.cluster.processes import exceeds, fails, send, start
from stentor_dev.paper.networks import Network, Place

LOG_TAIL = 2048
"""Bytes of its log that are told of a container that failed and left no message."""
OUT_OF_MEMORY = 137
LOOK_SECONDS = 0.05
INIT, MAIN = "initContainerStatuses", "containerStatuses"


@dataclass(slots=True)
class Node:
    """The one machine of the cluster. Tests change it while it runs."""

    images: Collection[str] = ()
    """What the registry has."""
    labels: dict[str, str] = field(default_factory=dict)
    capacity: dict[str, int] = field(default_factory=dict)
    """Of extended resources: `{"nvidia.com/gpu": 1}`."""
    pod_quota: int | None = None
    restart_seconds: float = 0.2
    """Pause before a container is started again; doubled each time."""
    network: Network | None = None
    """Where pods are. None: each has a loopback address of its own."""


class PodProcesses:
    def __init__(self, objects: Objects, node: Node, pod: Manifest, folder: Path, place: Place) -> None:
        self._objects, self._node, self._pod = objects, node, pod
        self.namespace, self.name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        self.folder, self.place = folder, place
        self._files = PodFiles(objects, pod, folder)
        self.ended = asyncio.Event()
        """Somebody deleted it, and its processes are gone."""
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self._ending = False
        self._restarts: dict[str, int] = {}
        self._last: dict[str, Manifest] = {}
        """How a container ended last."""
        self._stopping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until its containers have ended, or, where they are to be started again, until it is deleted."""
        self.folder.mkdir(parents=True)
        spec = self._pod["spec"]
        while (why := self._unschedulable()) and not self._ending:
            self._say(conditions=[_condition("PodScheduled", False, "Unschedulable", why)])
            await asyncio.sleep(LOOK_SECONDS)
        while not self._files.make_volumes() and not self._ending:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_SECONDS)
        address = self._files.address = self.place.address
        scheduled = _condition("PodScheduled", True)
        self._say(podIP=address, podIPs=[{"ip": address}], conditions=[scheduled])
        again = spec.get("restartPolicy", "Always") != "Never"
        for container in spec.get("initContainers", []):
            if not await self._until_well(container, again=again):
                return
        await asyncio.gather(*(self._keep(one, again=again) for one in spec["containers"]))

    def end(self, grace: float) -> None:
        if not self._ending:
            self._ending = True
            self._stopping = asyncio.create_task(self._end(grace))
        elif grace == 0:
            self._signal(signal.SIGKILL)

    async def kill(self) -> None:
        self._ending = True
        self._signal(signal.SIGKILL)
        for process in list(self.running.values()):
            await process.wait()

    async def _end(self, grace: float) -> None:
        self._signal(signal.SIGTERM if grace else signal.SIGKILL)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                for process in list(self.running.values()):
                    await process.wait()
        await self.kill()
        self.ended.set()

    def _signal(self, number: int) -> None:
        for process in list(self.running.values()):
            send(process, number)

    async def _until_well(self, container: Manifest, *, again: bool) -> bool:
        """Whether it ended with 0, sooner or later."""
        pause = self._node.restart_seconds
        while not self._ending:
            if await self._once(container, INIT) == 0:
                return True
            if not again:
                self._say(phase="Failed")
                return False
            pause = await self._back_off(container, INIT, pause)
        return False

    async def _keep(self, container: Manifest, *, again: bool) -> None:
        pause = self._node.restart_seconds
        while not self._ending:
            code = await self._once(container, MAIN)
            if not again:
                self._say(phase="Failed" if code else "Succeeded")
                return
            pause = await self._back_off(container, MAIN, pause)

    async def _back_off(self, container: Manifest, where: str, pause: float) -> float:
        self._wait(container, where, "CrashLoopBackOff", "back-off restarting failed container")
        await asyncio.sleep(pause)
        return 2 * pause

    async def _once(self, container: Manifest, where: str) -> int:
        """Its status when it has ended."""
        while (why := self._not_ready(container)) and not self._ending:
            self._wait(container, where, *why)
            await asyncio.sleep(LOOK_SECONDS)
        if self._ending:
            return 1
        name = container["name"]
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            command, environment = self._files.command(container), self._files.environment(container)
            process = await start([*self.place.prefix, *command], environment, self.folder, output)
        self.running[name] = process
        self._restarts[name] = self._restarts.get(name, -1) + 1
        self._status(container, where, {"running": {}}, process.pid)
        limit = container.get("resources", {}).get("limits", {}).get("memory", "")
        beside = [
            asyncio.create_task(exceeds(process, limit)),
            asyncio.create_task(self._probe(container, where)),
        ]
        code = await process.wait()
        send(process, signal.SIGKILL)  # What it left running ends with it.
        del self.running[name]
        for task in beside:
            task.cancel()
        too_large, _ = await asyncio.gather(*beside, return_exceptions=True)
        self._end_of(container, where, code, log, too_large=too_large is True)
        return code

    async def _probe(self, container: Manifest, where: str) -> None:
        if where == INIT:
            return
        self._say(phase="Running", conditions=[_condition("PodScheduled", True), _condition("Ready", False)])
        if probe := container.get("readinessProbe"):
            command = [self._files.renamed(word) for word in probe["exec"]["command"]]
            while await fails([*self.place.prefix, *command]):  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)
        self._say(conditions=[_condition("PodScheduled", True), _condition("Ready", True)])

    def _end_of(self, container: Manifest, where: str, code: int, log: Path, *, too_large: bool) -> None:
        code = OUT_OF_MEMORY if too_large else 128 - code if code < 0 else code
        reason = "OOMKilled" if too_large else "Error" if code else "Completed"
        ended: Manifest = {"exitCode": code, "reason": reason}
        if code and container.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            ended["message"] = log.read_bytes()[-LOG_TAIL:].decode(errors="replace")
        self._last[container["name"]] = ended
        self._status(container, where, {"terminated": ended})
        if where == MAIN:
            self._say(conditions=[_condition("PodScheduled", True), _condition("Ready", False)])

    def _wait(self, container: Manifest, where: str, reason: str, message: str) -> None:
        self._status(container, where, {"waiting": {"reason": reason, "message": message}})

    def _status(self, container: Manifest, where: str, state: Manifest, process: int = 0) -> None:
        name, image = container["name"], container["image"]
        last = self._last.get(name) if "terminated" not in state else None
        status = {
            "name": name,
            "image": image,
            "imageID": image,
            "containerID": f"local://{process}" if process else "",
            "ready": False,
            "restartCount": self._restarts.get(name, 0),
            "state": state,
            "lastState": {"terminated": last} if last else {},
        }
        self._say(**{where: [status]})

    def _say(self, **status: Any) -> None:
        self._objects.status("pods", self.namespace, self.name, **status)

    def _not_ready(self, container: Manifest) -> tuple[str, str] | None:
        if container["image"] not in self._node.images:
            return "ErrImagePull", f"{container['image']}: not found"
        missing = self._files.missing(container)
        return ("CreateContainerConfigError", missing) if missing else None

    def _unschedulable(self) -> str:
        spec = self._pod["spec"]
        if any(self._node.labels.get(name) != value for name, value in spec.get("nodeSelector", {}).items()):
            return "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector"
        for container in spec["containers"]:
            for resource, count in container.get("resources", {}).get("limits", {}).items():
                if "/" in resource and self._node.capacity.get(resource, 0) < int(count):
                    return f"0/1 nodes are available: 1 Insufficient {resource}"
        return ""


def _condition(kind: str, true: bool, reason: str = "", message: str = "") -> dict[str, str]:
    said = {"type": kind, "status": "True" if true else "False", "reason": reason, "message": message}
    if kind == "Ready":
        said["lastTransitionTime"] = datetime.now(UTC).isoformat()
    return {name: value for name, value in said.items() if value}
